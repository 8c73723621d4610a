//! A remembered browser: kept, void under ForceAuthn, revoked by its user.

use super::{FIRST_BUTTON, at_duo, password_only, verdict};
use crate::harness::idp::Deployment;
use crate::harness::pysaml2::Pysaml2;
use crate::harness::relying_party::MFA;
use crate::harness::webdriver::Chromium;

const REMEMBER: &str = "[name=remember]";

#[test]
fn a_browser_is_remembered_until_its_user_forgets_it() {
    let mut deployment = Deployment::prepare();
    deployment.home.require_mfa(Pysaml2::FIRST);
    let home = &deployment.home;
    home.set("vestibule.duo.remember.lifetime", "P30D");
    home.set("vestibule.duo.remember.principals", &format!("saml2/{MFA}"));
    // Duo's result is good once: only remembering can stand in for it.
    home.set("idp.authn.DuoOIDC.reuseCondition", "false");
    let providers = Pysaml2::start(&deployment, &[]);
    deployment.serve();
    let chromium = Chromium::start();
    chromium.open(&providers.login(0, ""));
    password_only(&chromium);
    chromium.wait_for(REMEMBER);
    assert!(!chromium.accessible_name(REMEMBER).is_empty());
    chromium.picture("remember-offered");
    chromium.click(REMEMBER);
    chromium.click(FIRST_BUTTON);
    at_duo(&chromium);
    chromium.click(FIRST_BUTTON);
    assert_eq!(verdict(&chromium)["class"], MFA);

    // Kept: nobody is asked for anything.
    chromium.open(&providers.login(0, ""));
    assert_eq!(verdict(&chromium)["class"], MFA);

    // A forced login asks for everything.
    chromium.open(&providers.login(0, "force=1"));
    password_only(&chromium);
    chromium.wait_for(REMEMBER);

    // Revoked: the next login meets Duo again.
    chromium.open(&deployment.url("/profile/account"));
    chromium.wait_for("[name=forget]");
    chromium.picture("account");
    chromium.click("[name=forget]");
    crate::harness::wait_for("the browser to be forgotten", || {
        (!chromium.shows("[name=forget]") && chromium.shows("h1")).then_some(())
    });
    chromium.picture("account-empty");
    chromium.open(&providers.login(0, ""));
    chromium.wait_for(REMEMBER);
}
