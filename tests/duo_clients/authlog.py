"""Prints Duo's authentication log as duo_client reads it, page by page: one JSON entry a line."""

import json
import sys
import time

import duo_client

simulator = json.loads(sys.argv[1])
host, port = simulator["api_host"].rsplit(":", 1)
admin = duo_client.Admin(*simulator["admin_api"], host=host, port=int(port), ca_certs=simulator["ca"])
now, cursor = int(time.time() * 1000), None
while True:
    more = {"next_offset": ",".join(cursor)} if cursor else {}
    page = admin.get_authentication_log(
        api_version=2, mintime=now - 3_600_000, maxtime=now + 60_000, limit="4", sort="ts:asc", **more
    )
    for entry in page["authlogs"]:
        print(json.dumps(entry))
    cursor = page["metadata"]["next_offset"]
    if not cursor:
        break
