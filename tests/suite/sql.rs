//! A real PostgreSQL knows attributes and keeps persistent NameIDs.

use crate::harness::browser::{ALICE, BOB, Browser, Page};
use crate::harness::idp::Deployment;
use crate::harness::postgres::{PASSWORD, Postgres};
use crate::harness::relying_party::{RelyingParty, Response};
use serde_json::Value;

const PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";

const PEOPLE: &str = "
CREATE TABLE people (uid varchar PRIMARY KEY, phone text, age int, groups text[]);
CREATE TABLE titles (uid varchar, title text);
INSERT INTO people VALUES ('alice', '+49 1', 41, '{staff,vpn}'), ('bob', NULL, 42, NULL);
INSERT INTO titles VALUES ('alice', 'Professor'), ('alice', 'Dean');
GRANT SELECT ON people, titles TO vestibule;
GRANT ALL ON people TO vestibule;
";

const QUERY: &str = "SELECT p.phone AS \"telephoneNumber\", p.age, p.groups, t.title \
    FROM people p LEFT JOIN titles t USING (uid) WHERE uid = $1";

const RELEASED: &str = "
vestibule.attribute.age.oid = urn:example:age
vestibule.release.sql.to = *
vestibule.release.sql.attributes = telephoneNumber, age, title
";

/// The layout that Shibboleth's documentation prescribes.
const SHIBPID: &str = "
CREATE TABLE shibpid (
    localEntity VARCHAR(255) NOT NULL, peerEntity VARCHAR(255) NOT NULL,
    persistentId VARCHAR(50) NOT NULL, principalName VARCHAR(50) NOT NULL,
    localId VARCHAR(50) NOT NULL, peerProvidedId VARCHAR(50) NULL,
    creationDate TIMESTAMP NOT NULL, deactivationDate TIMESTAMP NULL,
    PRIMARY KEY (localEntity, peerEntity, persistentId));
GRANT SELECT, INSERT ON shibpid TO vestibule;
";

struct Scene {
    postgres: Postgres,
    deployment: Deployment,
    party: RelyingParty,
}

/// A deployment with a database that this SQL made, before it serves.
fn scene(sql: &str, settings: impl FnOnce(&Postgres) -> Vec<(&'static str, String)>) -> Scene {
    let mut deployment = Deployment::prepare();
    let postgres = Postgres::start(deployment.directory(), sql);
    let party = RelyingParty::new("database");
    deployment.trust("party", &party.metadata());
    let mut lines = vec![
        (
            "vestibule.sql.people.url",
            postgres.url("localhost") + "?sslmode=require",
        ),
        (
            "vestibule.sql.people.trustCertificates",
            postgres.authority().display().to_string(),
        ),
    ];
    for (key, value) in settings(&postgres) {
        lines.retain(|(known, _)| *known != key);
        lines.push((key, value));
    }
    let lines = lines.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    deployment
        .home
        .append("conf/database.properties", &lines.concat());
    let secret = format!("\nvestibule.sql.people.password = {PASSWORD}\n");
    deployment
        .home
        .append("credentials/secrets.properties", &secret);
    deployment.serve();
    Scene {
        postgres,
        deployment,
        party,
    }
}

fn with_query() -> Scene {
    let scene = scene(PEOPLE, |_| {
        vec![("vestibule.sql.people.query", QUERY.to_owned())]
    });
    scene
        .deployment
        .home
        .append("conf/attribute-filter.properties", RELEASED);
    scene.reload();
    scene
}

impl Scene {
    fn reload(&self) {
        use crate::harness::http::Request;
        let url = url::Url::parse(&self.deployment.url("/admin/reload")).unwrap();
        let answer = Request::post(url, &[])
            .header("x-vestibule-admin", "1")
            .send();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    fn logs_in(&self, person: crate::harness::browser::Person) -> Page {
        let url = self.party.request().url(&self.deployment.base_url);
        Browser::that_keeps_the_response().log_in(&url, person).page
    }

    fn response(&self, person: crate::harness::browser::Person) -> Response {
        let page = self.logs_in(person);
        Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()))
    }

    fn resolved(&self) -> Value {
        let words = [
            "resolve",
            "--user",
            "alice",
            "--rp",
            &self.party.entity_id,
            "--json",
        ];
        serde_json::from_str(&self.deployment.home.run(&words, "")).unwrap()
    }
}

#[test]
fn columns_are_attributes_and_rows_and_arrays_are_values() {
    let scene = with_query();
    let response = scene.response(ALICE);
    let values = response.texts("AttributeValue");
    for value in ["+49 1", "41", "Professor", "Dean", "alice@example.org"] {
        assert!(
            values.iter().any(|known| known == value),
            "{value}: {values:?}"
        );
    }
    assert_eq!(values.iter().filter(|value| *value == "41").count(), 1);
    let resolved = scene.resolved();
    let attributes = resolved["attributes"].as_array().unwrap();
    let known_by = |id: &str| {
        let attribute = attributes.iter().find(|attribute| attribute["id"] == id);
        attribute.unwrap()["known_by"].clone()
    };
    assert_eq!(known_by("title"), serde_json::json!(["people"]));
    assert_eq!(known_by("mail"), serde_json::json!(["csv"]));
}

#[test]
fn s55_what_is_typed_is_a_parameter_and_the_query_can_change_nothing() {
    let wiping = format!(
        "{PEOPLE} CREATE FUNCTION wiped(name text) RETURNS text LANGUAGE sql \
         AS 'DELETE FROM people WHERE uid = name RETURNING uid';"
    );
    let scene = scene(&wiping, |_| {
        let query = "SELECT wiped($1) AS title".to_owned();
        vec![("vestibule.sql.people.query", query)]
    });
    let page = scene.logs_in(ALICE);
    assert!(Response::on(&page).is_none(), "{}", page.body());
    let told = "SQL source people: SQLSTATE 25006";
    assert!(
        scene.deployment.home.logs().contains(told),
        "a transaction that only reads"
    );
    assert_eq!(scene.postgres.run("SELECT count(*) FROM people"), "2\n");
}

#[test]
fn a_database_that_is_away_fails_the_login_and_one_that_is_back_serves_the_next() {
    let mut scene = with_query();
    scene.response(ALICE);
    scene.postgres.stop();
    let page = scene.logs_in(ALICE);
    assert!(Response::on(&page).is_none(), "{}", page.body());
    scene.postgres.serve();
    scene.response(ALICE);
}

#[test]
fn a_database_that_does_not_answer_in_time_is_given_up() {
    let scene = scene(PEOPLE, |_| {
        let query = "SELECT pg_sleep(3600)::text, uid FROM people WHERE uid = $1";
        vec![
            ("vestibule.sql.people.query", query.to_owned()),
            ("vestibule.sql.people.responseTimeout", "PT0.2S".to_owned()),
        ]
    });
    assert!(Response::on(&scene.logs_in(ALICE)).is_none());
}

#[test]
fn s56_another_authority_and_another_name_are_refused() {
    for (key, value) in [
        ("vestibule.sql.people.trustCertificates", None),
        ("vestibule.sql.people.url", Some("127.0.0.1")),
    ] {
        let scene = scene(PEOPLE, |postgres| {
            let value = value.map_or(String::new(), |host| {
                postgres.url(host) + "?sslmode=require"
            });
            vec![
                ("vestibule.sql.people.query", QUERY.to_owned()),
                (key, value),
            ]
        });
        assert!(Response::on(&scene.logs_in(ALICE)).is_none(), "{key}");
    }
}

#[test]
fn the_order_of_sources_is_the_order_of_values() {
    let scene = scene(PEOPLE, |_| {
        vec![
            (
                "vestibule.sql.people.query",
                "SELECT 'first@example.org' AS mail WHERE 'alice' = $1".to_owned(),
            ),
            ("vestibule.attribute.sources", "people, csv".to_owned()),
        ]
    });
    let response = scene.response(ALICE);
    let mail: Vec<String> = response.texts("AttributeValue");
    let at = |value: &str| mail.iter().rposition(|known| known == value);
    assert!(
        at("first@example.org").unwrap() < at("alice@example.org").unwrap(),
        "{mail:?}"
    );
}

/// A deployment that keeps persistent NameIDs, with these lines besides.
fn with_table(lines: &[(&'static str, &'static str)]) -> Scene {
    scene(SHIBPID, |_| {
        let mut all = vec![
            (
                "idp.persistentId.generator",
                "shibboleth.StoredPersistentIdGenerator",
            ),
            ("idp.persistentId.dataSource", "people"),
            ("idp.persistentId.sourceAttribute", "uid"),
            ("idp.nameid.saml2.default", PERSISTENT),
        ];
        all.extend_from_slice(lines);
        all.into_iter()
            .map(|(key, value)| (key, value.to_owned()))
            .collect()
    })
}

fn name_id(response: &Response) -> String {
    let names = response.texts("NameID");
    assert_eq!(names.len(), 1, "{}", response.xml);
    assert_eq!(response.values("NameID", "Format"), [PERSISTENT]);
    names[0].clone()
}

#[test]
fn an_identifier_that_shibboleth_stored_goes_on_and_a_new_one_is_added_beside_it() {
    let scene = with_table(&[]);
    let (us, them) = (Deployment::ENTITY_ID, &scene.party.entity_id);
    let row = |id: &str, ended: &str| {
        format!(
            "INSERT INTO shibpid VALUES ('{us}', '{them}', '{id}', 'alice', 'alice', NULL, now(), {ended});"
        )
    };
    scene
        .postgres
        .run(&(row("taken-back", "now()") + &*row("from-shibboleth", "NULL")));
    assert_eq!(name_id(&scene.response(ALICE)), "from-shibboleth");
    let first = name_id(&scene.response(BOB));
    assert_eq!(name_id(&scene.response(BOB)), first, "it stays");
    let kept = scene.postgres.run(
        "SELECT localEntity, peerEntity, persistentId, principalName, localId, deactivationDate IS NULL \
         FROM shibpid WHERE principalName = 'bob'",
    );
    assert_eq!(kept, format!("{us}|{them}|{first}|bob|bob|t\n"));
    let resolved = scene.resolved();
    assert_eq!(resolved["name_id"]["value"], "from-shibboleth");
}

#[test]
fn an_identifier_begins_as_the_computed_one_and_never_comes_back_once_it_was_taken_back() {
    let scene = with_table(&[("idp.persistentId.salt", "a-salt-of-the-test-suite")]);
    let computed = scene.resolved()["name_id"]["value"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        scene.postgres.run("SELECT count(*) FROM shibpid"),
        "0\n",
        "looking creates nothing"
    );
    assert_eq!(computed.len(), 32);
    assert_eq!(name_id(&scene.response(ALICE)), computed);
    scene
        .postgres
        .run("UPDATE shibpid SET deactivationDate = now()");
    let next = name_id(&scene.response(ALICE));
    assert_ne!(next, computed);
    assert_eq!(name_id(&scene.response(ALICE)), next);
}

#[test]
fn two_logins_that_race_get_one_identifier() {
    let scene = with_table(&[]);
    let names: Vec<String> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| name_id(&scene.response(ALICE))))
            .collect();
        logins
            .into_iter()
            .map(|login| login.join().unwrap())
            .collect()
    });
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
    assert_eq!(scene.postgres.run("SELECT count(*) FROM shibpid"), "1\n");
}

#[test]
fn a_table_that_cannot_be_asked_gives_no_identifier_and_no_answer() {
    let mut scene = with_table(&[]);
    name_id(&scene.response(ALICE));
    scene.postgres.stop();
    assert!(Response::on(&scene.logs_in(ALICE)).is_none());
}

#[test]
fn an_identifier_is_created_when_it_is_sent_and_not_when_the_user_is_asked() {
    let scene = with_table(&[("vestibule.consent.attribute-release.relyingParties", "*")]);
    let url = scene.party.request().url(&scene.deployment.base_url);
    let mut browser = Browser::that_keeps_the_response();
    let page = browser.open(&url);
    let form = page.form_with("j_username").unwrap();
    let form = form
        .fill("j_username", ALICE.name)
        .fill("j_password", ALICE.password);
    let page = browser.submit(&page, &form);
    assert!(Response::on(&page).is_none(), "{}", page.body());
    assert!(page.body().contains("Alice Adams"), "{}", page.body());
    assert_eq!(scene.postgres.run("SELECT count(*) FROM shibpid"), "0\n");
}
