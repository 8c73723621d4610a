use super::*;

fn pages() -> Pages {
    Pages::load(Path::new("/nonexistent"), &UiSettings::default()).unwrap()
}

fn frame<'a>(service: Option<&'a ServiceView>, language: &'a str) -> Frame<'a> {
    Frame {
        base: "/idp",
        accept_language: language,
        transaction: Some("4a5b"),
        service,
        powered_by: false,
    }
}

fn login(problem: Option<&'static str>, username: &str) -> View {
    View::Login(LoginView {
        action: "/idp/profile/SAML2/Redirect/SSO?execution=1".to_owned(),
        csrf: "token".to_owned(),
        username: username.to_owned(),
        problem,
        other_way: false,
        passwordless: false,
        change_url: None,
    })
}

#[test]
fn the_login_page_is_a_plain_form_with_labels_and_no_script() {
    let html = pages()
        .render(&login(None, ""), &frame(None, "de"))
        .unwrap();
    assert!(html.contains("<html lang=\"de\">"));
    assert!(html.contains("<label for=\"username\">Benutzername</label>"));
    assert!(html.contains("name=\"j_username\""));
    assert!(html.contains("name=\"j_password\" type=\"password\""));
    assert!(html.contains("name=\"csrf_token\" value=\"token\""));
    assert!(html.contains("4a5b"), "the transaction id is shown");
    assert!(!html.contains("<script"));
    assert!(!html.contains("aria-invalid"));
}

#[test]
fn an_error_is_tied_to_the_fields_it_is_about() {
    let view = login(Some("refused"), "ann");
    let html = pages().render(&view, &frame(None, "en")).unwrap();
    assert!(html.contains("id=\"problem\" role=\"alert\">The user name or the password"));
    assert_eq!(html.matches("aria-describedby=\"problem\"").count(), 2);
    assert!(html.contains("<title>Error: Sign in</title>"));
}

#[test]
fn s51_hostile_text_is_escaped_everywhere() {
    let hostile = "\"'><script>alert(1)</script>{{ 7*7 }}";
    let service = ServiceView {
        name: hostile.to_owned(),
        description: Some(hostile.to_owned()),
        logo: Some(hostile.to_owned()),
        information_url: Some(hostile.to_owned()),
        privacy_url: Some(hostile.to_owned()),
    };
    let views = [
        login(Some("refused"), hostile),
        View::Duo(DuoView {
            action: hostile.to_owned(),
            csrf: hostile.to_owned(),
            username: hostile.to_owned(),
            integration: hostile.to_owned(),
            problem: Some("unavailable"),
            other_way: false,
            style: Some(hostile.to_owned()),
            remember: Some(false),
        }),
        View::Error {
            problem: hostile.to_owned(),
        },
        View::Respond {
            destination: hostile.to_owned(),
            parameter: "SAMLResponse",
            message: hostile.to_owned(),
            relay_state: Some(hostile.to_owned()),
        },
        View::Logout(LogoutView {
            username: Some(hostile.to_owned()),
            services: vec![hostile.to_owned()],
            asker: Some(hostile.to_owned()),
            ..LogoutView::default()
        }),
        View::LoggedOut(Box::new(LoggedOutView {
            parties: vec![PartyView {
                name: hostile.to_owned(),
                told: "ended",
            }],
            back: Some(WayBack {
                name: hostile.to_owned(),
                destination: hostile.to_owned(),
                fields: vec![("RelayState", hostile.to_owned())],
            }),
            ..LoggedOutView::default()
        })),
        View::LogoutRefused {
            problem: hostile.to_owned(),
        },
    ];
    let pages = pages();
    for view in views {
        let html = pages
            .render(&view, &frame(Some(&service), hostile))
            .unwrap();
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("'>") && !html.contains("49"), "{html}");
    }
}

#[test]
fn s23_relay_state_is_echoed_as_text_and_left_out_when_there_was_none() {
    let respond = |relay_state: Option<&str>| View::Respond {
        destination: "https://sp.example.org/acs".to_owned(),
        parameter: "SAMLResponse",
        message: "PHg+".to_owned(),
        relay_state: relay_state.map(str::to_owned),
    };
    let html = |view| pages().render(&view, &frame(None, "")).unwrap();
    let without = html(respond(None));
    assert!(!without.contains("RelayState"));
    let with = html(respond(Some("")));
    assert!(with.contains("name=\"RelayState\" value=\"\""));
    assert!(
        with.contains("<button type=\"submit\">"),
        "works without JavaScript"
    );
}

#[test]
fn an_operators_template_replaces_ours_and_a_broken_one_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let views = home.path().join("views");
    std::fs::create_dir_all(views.join("static")).unwrap();
    std::fs::write(
        views.join("expired.html"),
        "<p>{{ t[\"expired.title\"] }}</p>",
    )
    .unwrap();
    std::fs::write(views.join("static/logo.svg"), "<svg/>").unwrap();
    std::fs::write(views.join("static/secret.txt"), "secret").unwrap();
    let pages = Pages::load(home.path(), &UiSettings::default()).unwrap();
    let html = pages.render(&View::Expired {}, &frame(None, "")).unwrap();
    assert_eq!(html, "<p>This sign-in is no longer valid</p>");
    assert!(pages.asset("logo.svg").is_some());
    assert!(pages.asset("style.css").is_some());
    assert!(pages.asset("secret.txt").is_none());

    for broken in ["{% if %}", "{% for x in range(10000000) %}x{% endfor %}"] {
        std::fs::write(views.join("expired.html"), broken).unwrap();
        let error = Pages::load(home.path(), &UiSettings::default()).unwrap_err();
        assert!(error.starts_with("views/expired.html: "), "{error}");
    }
}
