//! The built-in templates, by name; those of `views/` go before them.

pub(super) const TEMPLATES: [(&str, &str); 21] = [
    ("layout.html", include_str!("../../../views/layout.html")),
    ("service.html", include_str!("../../../views/service.html")),
    ("login.html", include_str!("../../../views/login.html")),
    (
        "expiring-password.html",
        include_str!("../../../views/expiring-password.html"),
    ),
    ("duo.html", include_str!("../../../views/duo.html")),
    (
        "attribute-release.html",
        include_str!("../../../views/attribute-release.html"),
    ),
    (
        "terms-of-use.html",
        include_str!("../../../views/terms-of-use.html"),
    ),
    ("error.html", include_str!("../../../views/error.html")),
    (
        "error-url.html",
        include_str!("../../../views/error-url.html"),
    ),
    (
        "signed-in.html",
        include_str!("../../../views/signed-in.html"),
    ),
    ("expired.html", include_str!("../../../views/expired.html")),
    ("respond.html", include_str!("../../../views/respond.html")),
    ("account.html", include_str!("../../../views/account.html")),
    (
        "enrolment.html",
        include_str!("../../../views/enrolment.html"),
    ),
    (
        "sign-in-first.html",
        include_str!("../../../views/sign-in-first.html"),
    ),
    ("parties.html", include_str!("../../../views/parties.html")),
    ("logout.html", include_str!("../../../views/logout.html")),
    (
        "logout-telling.html",
        include_str!("../../../views/logout-telling.html"),
    ),
    (
        "logged-out.html",
        include_str!("../../../views/logged-out.html"),
    ),
    (
        "logout-carry.html",
        include_str!("../../../views/logout-carry.html"),
    ),
    (
        "logout-refused.html",
        include_str!("../../../views/logout-refused.html"),
    ),
];
