//! A real OpenLDAP checks passwords and knows attributes.

use crate::check_online::{check, probe};
use crate::harness::browser::{ALICE, Browser, Page, Person};
use crate::harness::idp::Deployment;
use crate::harness::relying_party::{RelyingParty, Response};
use crate::harness::slapd::{PASSWORD, Slapd};

const CAROL: Person = Person {
    name: "carol",
    password: "carol's password",
};
const DAVE: Person = Person {
    name: "dave",
    password: "dave's password",
};

/// Her password is nine days old, and ten are allowed.
const ERIN: Person = Person {
    name: "erin",
    password: "erin's password",
};

const PEOPLE: &str = "\
dn: uid=carol,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: carol
cn: Carol
sn: Clark
displayName: Carol Clark
mail: carol@example.org
userPassword: carol's password

dn: uid=dave,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: dave
cn: Dave
sn: Drake
userPassword: dave's password
pwdChangedTime: 20200101000000Z
";

struct Scene {
    slapd: Slapd,
    deployment: Deployment,
    party: RelyingParty,
}

/// A deployment whose passwords and attributes come from OpenLDAP, with these settings besides.
fn scene(settings: impl FnOnce(&Slapd) -> Vec<(&'static str, String)>) -> Scene {
    let mut deployment = Deployment::prepare();
    let slapd = Slapd::start(deployment.directory(), &format!("{PEOPLE}{}", erin()));
    let party = RelyingParty::new("directory");
    deployment.trust("party", &party.metadata());
    let mut lines = vec![
        ("vestibule.password.validators", "ldap".to_owned()),
        ("idp.authn.LDAP.ldapURL", slapd.url("localhost")),
        (
            "idp.authn.LDAP.trustCertificates",
            slapd.authority().display().to_string(),
        ),
        (
            "idp.authn.LDAP.authenticator",
            "bindSearchAuthenticator".to_owned(),
        ),
        (
            "idp.authn.LDAP.baseDN",
            "ou=people,dc=example,dc=org".to_owned(),
        ),
        ("idp.authn.LDAP.userFilter", "(uid={user})".to_owned()),
        (
            "idp.authn.LDAP.bindDN",
            "cn=reader,dc=example,dc=org".to_owned(),
        ),
        ("idp.authn.LDAP.bindDNCredential", PASSWORD.to_owned()),
        (
            "idp.attribute.resolver.LDAP.ldapURL",
            "%{idp.authn.LDAP.ldapURL}".to_owned(),
        ),
        (
            "idp.attribute.resolver.LDAP.searchFilter",
            "(uid=$resolutionContext.principal)".to_owned(),
        ),
    ];
    for (key, value) in settings(&slapd) {
        lines.retain(|(known, _)| *known != key);
        lines.push((key, value));
    }
    for (key, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        deployment.home.set(key, value);
    }
    deployment.serve();
    Scene {
        slapd,
        deployment,
        party,
    }
}

#[expect(clippy::disallowed_methods, reason = "the directory has the real time")]
fn erin() -> String {
    let changed = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(9 * 24);
    let changed = changed.strftime("%Y%m%d%H%M%SZ");
    format!(
        "\ndn: uid=erin,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: erin\n\
         cn: Erin\nsn: East\nuserPassword: erin's password\npwdChangedTime: {changed}\n"
    )
}

impl Scene {
    /// The page after a name and a password were submitted.
    fn after(&self, name: &str, password: &str) -> Page {
        self.after_in(&mut Browser::that_keeps_the_response(), name, password)
    }

    fn after_in(&self, browser: &mut Browser, name: &str, password: &str) -> Page {
        let page = browser.open(&self.party.request().url(&self.deployment.base_url));
        let form = page.form_with("j_username").unwrap();
        let form = form.fill("j_username", name).fill("j_password", password);
        browser.submit(&page, &form)
    }

    fn logs_in(&self, person: Person) -> Response {
        let page = self.after(person.name, person.password);
        Response::on(&page).unwrap_or_else(|| panic!("{}", page.body()))
    }

    fn refuses(&self, name: &str, password: &str) -> Page {
        let page = self.after(name, password);
        assert!(
            Response::on(&page).is_none() && page.form_with("j_username").is_some(),
            "{name}"
        );
        page
    }
}

#[test]
fn the_directory_checks_the_password_and_gives_the_attributes() {
    let scene = scene(|_| vec![]);
    let response = scene.logs_in(CAROL);
    let values = response.texts("AttributeValue");
    assert!(
        values.contains(&"carol@example.org".to_owned()),
        "{values:?}"
    );
    scene.refuses(CAROL.name, "wrong");
    scene.refuses("nobody", CAROL.password);
    assert!(scene.deployment.home.logs().contains("|ldap|carol|"));
}

#[test]
fn s55_what_is_typed_neither_changes_a_filter_nor_binds_without_a_password() {
    let scene = scene(|_| vec![]);
    for name in [
        "*",
        "car*",
        "carol)(uid=*",
        "*)(uid=carol",
        "carol\\2a",
        "carol\0",
        "c\u{61}rol)(|(uid=*",
    ] {
        scene.refuses(name, CAROL.password);
    }
    scene.refuses(CAROL.name, "");
    scene.logs_in(CAROL);
}

#[test]
fn s55_a_name_pattern_is_escaped_too() {
    let scene = scene(|_| {
        vec![
            (
                "idp.authn.LDAP.authenticator",
                "directAuthenticator".to_owned(),
            ),
            (
                "idp.authn.LDAP.dnFormat",
                "uid=%s,ou=people,dc=example,dc=org".to_owned(),
            ),
        ]
    });
    scene.logs_in(CAROL);
    scene.refuses("carol,ou=people,dc=example,dc=org", CAROL.password);
    scene.refuses("x+uid=carol", CAROL.password);
    scene.refuses(CAROL.name, "");
}

#[test]
fn a_search_needs_no_bind_where_the_directory_allows_it() {
    let scene = scene(|_| {
        vec![
            (
                "idp.authn.LDAP.authenticator",
                "anonSearchAuthenticator".to_owned(),
            ),
            ("idp.authn.LDAP.bindDN", String::new()),
            ("idp.authn.LDAP.bindDNCredential", String::new()),
        ]
    });
    scene.logs_in(CAROL);
}

#[test]
fn s56_another_host_s_certificate_and_another_authority_are_refused() {
    let other_name = scene(|slapd| vec![("idp.authn.LDAP.ldapURL", slapd.url("127.0.0.1"))]);
    let page = other_name.refuses(CAROL.name, CAROL.password);
    assert!(page.body().contains("cannot be checked"), "{}", page.body());
    let system = scene(|_| vec![("idp.authn.LDAP.trustCertificates", String::new())]);
    let page = system.refuses(CAROL.name, CAROL.password);
    assert!(page.body().contains("cannot be checked"), "{}", page.body());
}

#[test]
fn an_expired_password_is_told_and_a_locked_account_is_not() {
    let scene = scene(|_| vec![]);
    let page = scene.refuses(DAVE.name, DAVE.password);
    assert!(page.body().contains("has expired"), "{}", page.body());
    let wrong = scene.refuses(CAROL.name, "wrong");
    for _ in 0..3 {
        scene.refuses(CAROL.name, "wrong");
    }
    let locked = scene.refuses(CAROL.name, CAROL.password);
    let told = "The user name or the password is not right";
    assert!(
        wrong.body().contains(told) && locked.body().contains(told),
        "{}",
        locked.body()
    );
    let logs = scene.deployment.home.logs();
    assert!(
        logs.contains("|ExpiredPassword|") && logs.contains("|AccountLocked|"),
        "{logs}"
    );
}

#[test]
fn an_expiring_password_is_told_and_the_login_goes_on() {
    let change = "https://accounts.example.org/password";
    let scene = scene(|_| vec![("vestibule.password.changeURL", change.to_owned())]);
    let mut browser = Browser::that_keeps_the_response();
    let notice = scene.after_in(&mut browser, ERIN.name, ERIN.password);
    let text = notice.body();
    assert!(text.contains("about one more day"), "{text}");
    assert!(text.contains(change), "{text}");
    // Looking at it again is no answer to it.
    let again = browser.open(notice.url.as_ref());
    assert!(again.body().contains("about one more day"));
    let form = again.form_with("csrf_token").unwrap();
    let page = browser.submit(&again, &form);
    assert!(Response::on(&page).unwrap().is_success());
    let expired = scene.refuses(DAVE.name, DAVE.password);
    assert!(expired.body().contains(change), "{}", expired.body());
}

#[test]
fn no_notice_is_shown_while_there_is_time() {
    let scene = scene(|_| vec![("vestibule.password.expiryNotice", "PT1H".to_owned())]);
    scene.logs_in(ERIN);
}

#[test]
fn the_next_server_answers_for_a_dead_one_and_a_restart_is_survived() {
    let mut scene = scene(|slapd| {
        let dead = format!("ldap://localhost:1 {}", slapd.url("localhost"));
        vec![("idp.authn.LDAP.ldapURL", dead)]
    });
    scene.logs_in(CAROL);
    scene.slapd.kill();
    let page = scene.refuses(CAROL.name, CAROL.password);
    assert!(page.body().contains("cannot be checked"), "{}", page.body());
    scene.slapd.serve();
    scene.logs_in(CAROL);
}

#[test]
fn the_validators_are_asked_in_their_order() {
    let scene = scene(|_| vec![("vestibule.password.validators", "htpasswd, ldap".to_owned())]);
    scene.logs_in(CAROL);
    scene.logs_in(ALICE);
    scene.refuses(ALICE.name, CAROL.password);
}

#[test]
fn check_online_binds_as_the_account_that_searches_and_says_whose_fault_it_is() {
    let mut scene = scene(|_| Vec::new());
    let (code, report) = check(&scene.deployment);
    assert_eq!(code, Some(0), "{report:#}");
    for what in ["directory for passwords", "directory for attributes"] {
        assert_eq!(probe(&report, what)["ok"], true, "{report:#}");
    }
    let home = &scene.deployment.home;
    home.set("idp.authn.LDAP.bindDNCredential", "another password");
    let (code, report) = check(&scene.deployment);
    assert_eq!(code, Some(1), "{report:#}");
    let wrong = probe(&report, "directory for passwords");
    assert_eq!(wrong["fault"], "configuration", "{report:#}");
    scene.slapd.kill();
    let (_, report) = check(&scene.deployment);
    let gone = probe(&report, "directory for passwords");
    assert_eq!(gone["fault"], "network", "{report:#}");
}
