//! `docs/conformance.md`: what saml2int (SDP) and the Kantara implementation profile (IIP) ask of an
//! identity provider, line by line, each with the tests that hold it.

use std::fmt::Write as _;

/// One line of the profiles.
pub(crate) struct Line {
    pub(crate) number: usize,
    profiles: &'static str,
    says: &'static str,
    pub(crate) tests: &'static [&'static str],
    /// Why there is no test, or what the tests do not say.
    pub(crate) note: &'static str,
}

/// The whole document.
pub(crate) fn document() -> String {
    let mut text = HEAD.to_owned();
    for line in &LINES {
        if let Some((_, part)) = PARTS.iter().find(|(first, _)| *first == line.number) {
            let _ = write!(text, "\n## {part}\n");
        }
        let _ = write!(text, "\n{}. {} ({})", line.number, line.says, line.profiles);
        let _ = writeln!(
            text,
            "{}{}",
            if line.note.is_empty() { "" } else { ". " },
            line.note
        );
        for name in line.tests {
            let _ = writeln!(text, "    - `{name}`");
        }
    }
    text
}

const HEAD: &str = "\
# Conformance

<!-- Made from tests/documents/conformance.rs; do not edit. -->

What the SAML V2.0 Interoperability Deployment Profile (SDP, \"saml2int\"), the Implementation Profile
for Federation Interoperability (IIP), REFEDS and SAML core ask of an identity provider: each line
with the tests that hold it, or the reason why there is none.
";

/// The headings, each before its first line.
const PARTS: [(usize, &str); 8] = [
    (1, "General and metadata"),
    (21, "Algorithms"),
    (26, "Requests"),
    (37, "Responses"),
    (46, "Logout and enhanced clients"),
    (52, "What relying parties should do"),
    (59, "REFEDS and eduGAIN"),
    (68, "Semantics of the core"),
];

const fn line(
    number: usize,
    (profiles, says): (&'static str, &'static str),
    tests: &'static [&'static str],
    note: &'static str,
) -> Line {
    Line {
        number,
        profiles,
        says,
        tests,
        note,
    }
}

/// Every line, in order.
#[rustfmt::skip]
pub(crate) const LINES: [Line; 71] = [
    line(1, ("SDP-G01, IIP-G01", "Clocks may differ by three to five minutes, both ways"), &["s25_a_request_older_than_its_lifetime_or_from_the_future_is_refused", "s25_old_and_future_requests_are_refused"], ""),
    line(2, ("SDP-G02, IIP-G02", "Texts of 256 characters are taken uncut"), &["sdp_g02_identifiers_of_256_characters_are_taken_whole", "ids_are_128_random_bits_and_never_repeat"], ""),
    line(3, ("SDP-G03, IIP-G03", "No DTD is sent, each is refused"), &["s12_every_doctype_is_refused_before_its_content_matters"], "The one XML writer cannot write one."),
    line(4, ("SDP-G04", "The entityID is an absolute URI of at most 256 characters"), &["sdp_g04_an_entity_id_is_an_absolute_uri_of_256_characters_at_most"], ""),
    line(5, ("SDP-MD01, IIP-SSO06, IIP-MD02", "Metadata alone drives behaviour, and is refreshed"), &["files_are_added_changed_and_removed_and_a_broken_one_keeps_its_last_content", "a_relying_party_added_while_serving_is_known_without_a_reload", "the_next_refresh_is_a_share_of_what_remains_within_bounds"], ""),
    line(6, ("SDP-MD02, IIP-MD03", "Metadata is trusted by its own signature"), &["s29_a_provider_with_a_certificate_takes_only_what_that_certificate_signed", "s29_unsigned_wrongly_signed_and_misplaced_signatures_are_refused"], ""),
    line(7, ("SDP-MD03, IIP-MD04", "`validUntil` is demanded, bounded and obeyed"), &["s29_validity_is_required_bounded_and_ends", "an_expired_relying_party_is_unknown"], ""),
    line(8, ("SDP-MD04, IIP-MD09", "Our own metadata, with algorithms"), &["the_document_is_valid_by_the_oasis_schemas", "everything_that_can_be_said_is_valid_by_the_oasis_schemas", "a_new_home_checks_clean_and_prints_its_metadata", "an_off_the_shelf_node_saml_logs_in_with_what_init_wrote"], ""),
    line(9, ("SDP-MD05, MD06, MD07", "Keys stand in certificates and are strong"), &["every_fact_of_the_identity_provider_is_stated_where_sps_look_for_it", "s18_a_short_rsa_key_is_refused", "unknown_curves_are_refused", "s18_weak_and_foreign_keys_prove_no_signature"], ""),
    line(10, ("SDP-MD08", "Our metadata has a signing key"), &["every_fact_of_the_identity_provider_is_stated_where_sps_look_for_it", "both_keys_of_a_change_and_what_we_decrypt_are_stated", "a_provider_that_knows_the_new_key_in_time_works_throughout_and_one_that_does_not_fails"], ""),
    line(11, ("SDP-MD09, MD10", "Display name and logo, the logo https or data"), &["everything_that_can_be_said_is_valid_by_the_oasis_schemas", "s22_logos_and_links_that_could_run_are_dropped", "what_the_operator_says_of_us_stands_in_our_metadata"], ""),
    line(12, ("SDP-MD11, MD12, IDP33", "Technical contact, errorURL"), &["everything_that_can_be_said_is_valid_by_the_oasis_schemas", "what_the_operator_says_of_us_stands_in_our_metadata", "the_page_of_our_error_url_says_what_is_missing_and_what_to_pass_on", "a_mail_address_is_taken_with_and_without_mailto"], ""),
    line(13, ("IIP-MD01", "A client of metadata query services"), &["an_entity_is_asked_for_by_its_escaped_id_or_its_digest"], ""),
    line(14, ("IIP-MD07, SDP-IDP32", "Any number of signing keys is tried"), &["any_key_of_metadata_may_have_signed", "every_trusted_key_is_tried_in_turn"], ""),
    line(15, ("IIP-MD08", "Any number of encryption keys"), &["s18_a_weak_key_gives_way_to_the_next_and_alone_is_refused"], ""),
    line(16, ("IIP-MD10", "Declared algorithms are respected"), &["what_metadata_declares_is_used_and_else_what_every_sp_knows", "what_is_encrypted_by_each_transport_is_decrypted_by_another_library", "a_relying_party_that_lists_one_algorithm_gets_a_key_that_fits"], ""),
    line(17, ("IIP-MD11", "A key without `use` serves both"), &["s07_a_key_without_use_serves_signatures_and_encryption"], ""),
    line(18, ("IIP-MD12", "Expired and self-signed certificates hold keys"), &["s07_an_expired_certificate_is_still_a_key"], ""),
    line(19, ("IIP-MD05, MD06", "OASIS metadata with its extensions is read"), &["a_single_entity_is_read_whole", "all_four_spellings_of_a_boolean_are_read", "the_first_wanted_language_names_the_relying_party"], ""),
    line(20, ("IIP-EXT01", "Unknown extensions do no harm"), &["iip_ext01_unknown_extensions_are_passed_over", "malformed_services_are_dropped_and_unknown_bindings_passed_over"], ""),
    line(21, ("IIP-ALG01", "SHA-256 digests"), &["what_we_sign_verifies_with_xmlsec1_and_with_ourselves"], ""),
    line(22, ("IIP-ALG02, ALG03", "RSA and ECDSA signatures with SHA-256"), &["what_xmlsec1_signs_verifies_here_in_every_allowed_algorithm", "ecdsa_signatures_are_the_two_numbers_in_full_width"], ""),
    line(23, ("IIP-ALG04, ALG05", "AES-GCM; CBC only with a warning"), &["xmlsec1_decrypts_every_block_algorithm_and_then_verifies_the_assertion", "cbc_is_used_by_override_and_never_because_metadata_declares_it"], ""),
    line(24, ("IIP-ALG06, SDP-ALG01", "RSA-OAEP by both names"), &["what_we_encrypt_is_canonical_and_xmlsec1_decrypts_it", "what_xmlsec1_cannot_decrypt_we_do_and_the_assertion_verifies", "what_xmlsec1_encrypts_for_us_we_decrypt", "every_digest_of_oaep_is_understood_by_both_its_names", "what_is_encrypted_by_each_transport_is_decrypted_by_another_library"], ""),
    line(25, ("IIP-ALG08", "Weak algorithms are blocked"), &["s08_algorithms_outside_the_allow_list_are_refused", "s08_algorithms_outside_the_allow_list_are_refused_in_a_query_too", "s17_a_key_declared_for_rsa_1_5_alone_is_not_used"], "A list of what is allowed, in the code, in place of a configurable list of what is blocked: nothing weak can be switched on."),
    line(26, ("SDP-IDP02, IIP-SSO02", "AuthnRequest by Redirect and POST"), &["a_signed_request_by_redirect_is_answered_like_any_other", "a_signed_request_by_post_is_answered_like_any_other", "node_saml_signs_its_request_and_decrypts_its_assertion", "a_request_signed_beside_its_form_is_answered_like_any_other"], ""),
    line(27, ("SDP-IDP03", "TLS on endpoints"), &["plain_http_is_for_loopback_hosts_alone"], ""),
    line(28, ("SDP-IDP04", "Unsigned requests are taken unless metadata says otherwise"), &["a_plain_request_is_accepted_with_the_defaults_of_the_specification", "s06_an_unsigned_request_is_refused_where_metadata_wants_signatures"], ""),
    line(29, ("SDP-IDP05", "A signature that is there must verify"), &["s06_a_present_signature_must_verify_even_where_none_is_demanded", "s10_the_signature_covers_the_values_in_the_order_of_the_binding"], ""),
    line(30, ("SDP-IDP06", "The address to answer at is compared with metadata as a plain string"), &["s21_an_acs_that_metadata_does_not_spell_alike_is_refused_locally", "the_default_rule_is_that_of_metadata_2_2_3"], ""),
    line(31, ("IIP-IDP12", "That address by URL, binding and index"), &["url_index_and_binding_must_all_be_met"], ""),
    line(32, ("SDP-IDP07, IIP-IDP06", "ForceAuthn asks afresh"), &["i07_a_forced_login_rests_on_nothing_old", "force_authn_asks_again_for_everything"], ""),
    line(33, ("IIP-IDP07", "IsPassive"), &["i08_a_passive_login_shows_nothing", "a_passive_request_without_a_session_is_refused_without_a_page"], ""),
    line(34, ("IIP-IDP08", "RequestedAuthnContext"), &["every_row_of_the_table_asks_and_answers_as_it_says", "r17_a_class_is_kept_exactly_as_it_was_written"], ""),
    line(35, ("IIP-IDP10", "NameIDPolicy"), &["a_format_that_cannot_be_met_is_refused_and_not_replaced", "the_request_chooses_the_format_before_metadata_and_metadata_before_us"], ""),
    line(36, ("IIP-IDP04", "RequestedAttribute"), &["a_rule_may_release_only_what_metadata_requests"], ""),
    line(37, ("SDP-IDP08, IIP-SSO03", "Responses by POST"), &["without_rule_or_request_a_password_is_enough", "what_is_sent_by_form_is_read_back"], ""),
    line(38, ("SDP-IDP09, IIP-SSO04", "The Response is signed, the Assertion where that is asked"), &["metadata_can_ask_for_a_signed_assertion_and_something_is_always_signed", "xmlsec1_verifies_what_is_signed_and_libxml2_agrees_on_every_octet"], ""),
    line(39, ("SDP-IDP10", "One Assertion, one AuthnStatement, at most one AttributeStatement"), &["a_response_is_as_it_was_agreed_to_be", "nothing_released_means_no_attribute_statement_and_no_address_none_stated"], ""),
    line(40, ("SDP-IDP11, IIP-IDP09", "Encrypted assertions, nothing encrypted within"), &["an_encrypted_assertion_is_read_by_its_provider", "xmlsec1_decrypts_every_block_algorithm_and_then_verifies_the_assertion", "node_saml_signs_its_request_and_decrypts_its_assertion"], ""),
    line(41, ("SDP-IDP12, IIP-IDP11, IDP21, SSO05", "NameID formats; persistent without collisions of case"), &["a_format_that_cannot_be_met_is_refused_and_not_replaced", "persistent_identifiers_never_differ_by_case_alone", "pairwise_formats_name_both_ends_and_others_neither", "node_saml_gets_each_name_id_format", "two_logins_that_race_get_one_identifier"], "A NameID is always sent (IIP-IDP11 asks that it can be left out): a session without a name could not be ended by its relying party. Who must not recognise the user gets a transient one."),
    line(42, ("SDP-IDP13 to IDP17", "subject-id and pairwise-id; plain scopes in metadata"), &["subject_identifiers_keep_to_their_syntax_and_pairwise_ones_differ", "the_subject_identifier_that_metadata_requires_is_released", "every_fact_of_the_identity_provider_is_stated_where_sps_look_for_it"], ""),
    line(43, ("SDP-IDP18 to IDP20, IIP-IDP01", "Attribute names are URIs, values simple texts, one in each element"), &["an_oid_becomes_its_urn_and_a_name_stays", "a_response_is_as_it_was_agreed_to_be"], ""),
    line(44, ("IIP-IDP02, IDP03", "Release by entityID and by entity attributes"), &["a_rule_for_one_entity_says_nothing_about_another", "entity_attributes_are_added_by_rule"], ""),
    line(45, ("IIP-IDP05", "Error Responses where the place is known"), &["every_error_is_valid_canonical_and_verifies", "a_refusal_to_the_relying_party_leaves_one_line", "events_map_as_shibboleth_maps_them"], ""),
    line(46, ("SDP-IDP21 to IDP31", "Single logout: signed, truthful"), &["s50_an_unsigned_request_ends_nothing_by_any_binding", "an_answer_says_how_it_ended", "a_session_is_found_by_each_name_it_gave_and_by_no_other", "sdp_idp22_a_user_who_is_asked_may_keep_the_session", "every_service_is_told_by_redirect_and_post_with_the_name_it_was_given", "sdp_idp25_our_metadata_lists_the_endpoints_of_logout", "sdp_idp26_a_service_ends_the_session_by_redirect_and_hears_of_it", "sdp_idp27_names_go_in_the_clear_unless_the_operator_wants_them_encrypted", "sdp_idp31_everywhere_is_said_only_when_everybody_said_so", "sdp_idp31_a_service_that_cannot_be_told_makes_the_logout_partial"], ""),
    line(47, ("IIP-IDP17", "Asynchronous logout"), &["the_asynchronous_extension_counts_for_browsers_and_not_over_soap", "iip_idp17_a_service_that_waits_for_no_answer_gets_none"], ""),
    line(48, ("IIP-IDP18", "Logout by Redirect"), &["a_signed_request_is_accepted_by_every_binding_with_all_it_says", "what_is_sent_by_redirect_is_read_back_with_its_signature", "sdp_idp26_a_service_ends_the_session_by_redirect_and_hears_of_it"], ""),
    line(49, ("IIP-IDP19", "Encrypted names, two decryption keys"), &["an_encrypted_name_is_read_with_the_second_of_two_keys", "an_encrypted_id_is_read_with_both_keys_until_the_old_one_is_retired"], ""),
    line(50, ("IIP-IDP20", "Logout endpoints come from metadata"), &["a_single_entity_is_read_whole", "what_we_send_is_valid_by_the_schemas", "an_answer_goes_to_the_response_location"], ""),
    line(51, ("IIP-IDP13 to IDP16", "Enhanced clients, channel bindings"), &["an_enhanced_clients_request_is_answered_at_a_paos_endpoint_of_metadata", "channel_bindings_are_compared_and_confirmed", "a_client_without_a_browser_logs_in_by_http_basic", "channel_bindings_that_differ_end_the_login_and_those_that_agree_are_confirmed", "pysaml2s_client_logs_in_to_the_shibboleth_sp_with_each_factor"], ""),
    line(52, ("SDP-SP07", "No RequestedAuthnContext without need"), &[], "A habit of the relying party's requests, which its metadata does not show."),
    line(53, ("SDP-SP04", "No Format in NameIDPolicy"), &[], "A habit of the relying party's requests, which its metadata does not show; a format that cannot be met is refused (line 35)."),
    line(54, ("SDP-SP06", "The exact address to answer at"), &["s21_an_acs_that_metadata_does_not_spell_alike_is_refused_locally"], ""),
    line(55, ("SDP-SP03", "No frames"), &["s36_no_page_of_ours_stands_in_a_frame"], ""),
    line(56, ("SDP-SP10", "Assertions are decrypted"), &["without_a_key_of_the_provider_encryption_is_left_out_or_required"], ""),
    line(57, ("SDP-SP11", "Error statuses are handled"), &["node_saml_is_told_why_a_login_failed"], "What a relying party shows its users is not visible to us; every refusal is told to it with a status (line 45)."),
    line(58, ("SDP-SP35", "No logout when idle"), &[], "A relying party's logout is obeyed; why it was begun is not visible to us."),
    line(59, ("MFA profile, SFA profile", "What may be called MFA"), &["i01_a_class_is_never_stronger_than_the_evidence", "s46_what_involves_no_action_of_the_user_is_not_mfa", "every_row_of_the_table_asks_and_answers_as_it_says"], ""),
    line(60, ("R&S", "Research and Scholarship bundle"), &["a_category_rule_may_be_limited_to_a_registrar", "bundles_name_well_known_attributes"], ""),
    line(61, ("CoCo v2", "Code of Conduct"), &["a_category_rule_may_be_limited_to_a_registrar", "bundles_name_well_known_attributes"], ""),
    line(62, ("Access categories", "Anonymous, Pseudonymous, Personalized"), &["a_category_rule_may_be_limited_to_a_registrar", "bundles_name_well_known_attributes"], ""),
    line(63, ("Sirtfi v2", "Security contact and assurance value"), &["an_incident_finds_the_security_contact", "what_the_operator_says_of_us_stands_in_our_metadata"], ""),
    line(64, ("entity-category-support", "What we support is stated in our metadata"), &["what_the_operator_says_of_us_stands_in_our_metadata"], ""),
    line(65, ("RAF", "eduPersonAssurance"), &["ids_and_names_are_unique"], "The attribute has its name and OID; its values come from the operator's directory."),
    line(66, ("errorURL v1", "Placeholders in errorURL"), &["everything_that_can_be_said_is_valid_by_the_oasis_schemas", "the_page_of_our_error_url_says_what_is_missing_and_what_to_pass_on", "placeholders_and_what_is_no_such_thing_are_left_out", "s51_nothing_that_a_link_to_the_error_page_carries_can_speak_for_us"], ""),
    line(67, ("Incident contact", "Security contact"), &["an_incident_finds_the_security_contact", "what_the_operator_says_of_us_stands_in_our_metadata"], ""),
    line(68, ("Core 3.3.2.2.1", "The four comparisons"), &["r04_exact_password_after_mfa_is_the_password_class", "r09_minimum_echoes_the_requested_class_when_it_is_true", "r11_better_than_a_password_is_never_a_password", "r13_r14_maximum_is_as_strong_as_possible_without_exceeding"], ""),
    line(69, ("REFEDS", "One class in each assertion"), &["every_row_of_the_table_asks_and_answers_as_it_says", "a_response_is_as_it_was_agreed_to_be"], ""),
    line(70, ("Core 2.5, Profiles 4.1.4.2", "Times, Recipient, InResponseTo and audience on every bearer assertion"), &["s24_the_answer_names_the_request_it_answers_and_where_it_goes", "s27_there_is_exactly_one_audience_and_it_is_the_relying_party", "a_response_is_as_it_was_agreed_to_be"], ""),
    line(71, ("Core 2.7.2", "SessionIndex and SessionNotOnOrAfter fit the session"), &["the_statement_says_when_how_and_from_where_the_user_logged_in"], ""),
];
