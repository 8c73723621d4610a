"use strict";
document.getElementById("respond").submit();
