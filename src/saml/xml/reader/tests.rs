use super::{Element, Limits, Node, parse, parse_inside};

fn read(xml: &str) -> Element {
    parse(xml.as_bytes(), &Limits::MESSAGE).unwrap_or_else(|e| panic!("{e}: {xml}"))
}

fn reason(xml: &str) -> &'static str {
    match parse(xml.as_bytes(), &Limits::MESSAGE) {
        Ok(tree) => panic!("accepted {xml} as {tree:?}"),
        Err(error) => error.reason,
    }
}

#[test]
fn names_are_resolved_through_nested_declarations() {
    let root = read(
        "<?xml version='1.0' encoding='utf-8'?>\n\
         <a:r xmlns:a='urn:a' xmlns='urn:d' x='1' a:x='2'><c/><a:c xmlns:a='urn:b'/><d xmlns=''/></a:r>\n",
    );
    assert!(root.is("urn:a", "r"));
    assert_eq!(root.attribute("x"), Some("1"));
    assert_eq!(root.attribute_in("urn:a", "x"), Some("2"));
    let names: Vec<_> = root
        .elements()
        .map(|e| (&*e.namespace, &*e.local))
        .collect();
    assert_eq!(names, [("urn:d", "c"), ("urn:b", "c"), ("", "d")]);
}

#[test]
fn references_and_cdata_are_resolved_and_line_ends_normalised() {
    let root = read(
        "<r a=\"1\r\n2\t3&#10;&quot;&#xD;\">a\r\nb\rc&#13;&lt;<![CDATA[<&amp;]]>&#x1F600;</r>",
    );
    assert_eq!(root.attribute("a"), Some("1 2 3\n\"\r"));
    assert_eq!(
        root.children,
        [Node::Text("a\nb\nc\r<<&amp;\u{1F600}".to_owned())]
    );
}

#[test]
fn s05_a_comment_never_cuts_a_value() {
    let root = read("<r>evil<!-- x -->.example<!---->.org</r>");
    assert_eq!(root.children, [Node::Text("evil.example.org".to_owned())]);
}

#[test]
fn s05_a_processing_instruction_is_refused() {
    for xml in [
        "<r>a<?x y?>b</r>",
        "<?x y?><r/>",
        "<r/><?x y?>",
        "<r><?xml version='1.0'?></r>",
    ] {
        assert!(
            [
                "processing instruction is not allowed",
                "XML declaration after the start of the document"
            ]
            .contains(&reason(xml)),
            "{xml}"
        );
    }
}

#[test]
fn s12_every_doctype_is_refused_before_its_content_matters() {
    for xml in [
        "<!DOCTYPE r SYSTEM 'http://127.0.0.1:1/x.dtd'><r/>",
        "<?xml version='1.0'?><!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><r>&x;</r>",
        "<!-- c --> <!DOCTYPE r><r/>",
        "<!doctype r><r/>",
    ] {
        assert!(
            ["DOCTYPE is not allowed", "not well-formed XML"].contains(&reason(xml)),
            "{xml}"
        );
    }
}

#[test]
fn s13_entities_and_oversize_documents_stop_at_the_budget() {
    assert_eq!(reason("<r>&lol;</r>"), "unknown entity");
    assert_eq!(reason("<r a='&lol;'/>"), "unknown entity");
    let deep = |n: usize| "<r>".repeat(n) + "</r>".repeat(n).as_str();
    assert_eq!(read(&deep(50)).local, "r");
    assert_eq!(reason(&deep(51)), "elements nested too deeply");
    let wide = |n: usize| {
        let attributes = (0..n)
            .map(|i| format!(" a{i}=''"))
            .collect::<Vec<_>>()
            .concat();
        format!("<r{attributes}/>")
    };
    assert_eq!(read(&wide(64)).attributes.len(), 64);
    assert_eq!(reason(&wide(65)), "too many attributes");
    assert_eq!(reason(&wide(20_000)), "too many attributes");
    assert_eq!(
        reason(&format!("<r>{}</r>", "<a/>".repeat(20_000))),
        "too many nodes"
    );
    assert_eq!(
        reason(&format!("<r>{}</r>", " ".repeat(256 * 1024))),
        "document too large"
    );
}

#[test]
fn s02_one_id_value_never_names_two_elements() {
    for second in ["ID", "Id", "id", "xml:id", "p:ID", "p:Id"] {
        let xml = format!("<r ID='_1' xmlns:p='urn:p'><s {second}='_1'/></r>");
        assert_eq!(reason(&xml), "duplicate ID", "{second}");
    }
    assert_eq!(reason("<r ID='_1' id='_1'/>"), "duplicate ID");
    assert_eq!(reason("<r ID='_1'><s xml:id=' _1 '/></r>"), "duplicate ID");
    assert_eq!(
        read("<r ID='_1'><s ID='_2'/></r>").attribute("ID"),
        Some("_1")
    );
}

#[test]
fn s02_one_attribute_never_has_two_values() {
    assert_eq!(reason("<r a='1' a='2'/>"), "duplicate attribute");
    assert_eq!(
        reason("<r xmlns:a='urn:x' xmlns:b='urn:x' a:i='1' b:i='2'/>"),
        "duplicate attribute"
    );
    assert_eq!(
        reason("<r xmlns='urn:a' xmlns='urn:b'/>"),
        "duplicate namespace declaration"
    );
}

#[test]
fn s04_namespace_names_that_canonicalisation_cannot_take_are_refused() {
    assert_eq!(
        reason("<r xmlns='relative'/>"),
        "namespace name is not an absolute URI"
    );
    assert_eq!(
        reason("<r xmlns:a='../a:b'/>"),
        "namespace name is not an absolute URI"
    );
    assert_eq!(
        reason("<r xmlns:a='1:b'/>"),
        "namespace name is not an absolute URI"
    );
    for not_uri in [
        "urn:\u{7f}",
        "urn:\u{e9}",
        "urn: x",
        "urn:{x}",
        "urn:&amp;",
        ":x",
    ] {
        assert_eq!(
            reason(&format!("<r xmlns='{not_uri}'/>")),
            "namespace name is not an absolute URI"
        );
    }
    assert_eq!(
        reason("<r xmlns:a=''/>"),
        "prefix declared with an empty namespace name"
    );
}

const NOT_XML: &[(&str, &str)] = &[
    ("<a:r/>", "undeclared namespace prefix"),
    ("<r a:b=''/>", "undeclared namespace prefix"),
    ("<xmlns:r/>", "malformed name"),
    (
        "<r xmlns:xmlns='urn:a'/>",
        "reserved namespace prefix or name",
    ),
    (
        "<r xmlns:xml='urn:a'/>",
        "reserved namespace prefix or name",
    ),
    (
        "<r xmlns='http://www.w3.org/XML/1998/namespace'/>",
        "reserved namespace prefix or name",
    ),
    (
        "<r xmlns:a='http://www.w3.org/2000/xmlns/'/>",
        "reserved namespace prefix or name",
    ),
    ("<a:b:c xmlns:a='urn:a'/>", "malformed name"),
    ("<1r/>", "malformed name"),
    ("<r/ >", "malformed name"),
    ("< r/>", "malformed attribute"),
    ("<r a=\u{e9}/>", "malformed attribute"),
    ("<r :a=''/>", "malformed name"),
    ("<r a='1'b='2'/>", "malformed attribute"),
    ("<r a=1/>", "malformed attribute"),
    ("<r a/>", "malformed attribute"),
    ("<r a='&amp'/>", "reference without end"),
    ("<r a='<'/>", "< in an attribute value"),
    ("<r>]]></r>", "]]> in character data"),
    ("<r>&#0;</r>", "character reference to no XML character"),
    ("<r>&#xD800;</r>", "character reference to no XML character"),
    ("<r>&#xFFFF;</r>", "character reference to no XML character"),
    ("<r>&#+65;</r>", "character reference to no XML character"),
    ("<r>&#X41;</r>", "character reference to no XML character"),
    ("<r>\u{1}</r>", "character not allowed in XML"),
    ("<r>\u{FFFF}</r>", "character not allowed in XML"),
    ("<r/>x", "character data outside the root element"),
    ("<r/>&#32;", "character data outside the root element"),
    (
        "<r/><![CDATA[]]>",
        "character data outside the root element",
    ),
    ("<r/><s/>", "a second root element"),
    ("<r><s></r></s>", "not well-formed XML"),
    ("<r>", "document ends before its root element does"),
    ("", "document ends before its root element does"),
    ("</r>", "not well-formed XML"),
    ("<r>&amp</r>", "not well-formed XML"),
    ("<r><!-- a -- b --></r>", "not well-formed XML"),
    (
        " <?xml version='1.0'?><r/>",
        "XML declaration after the start of the document",
    ),
    (
        "<?xml version='1.1'?><r/>",
        "XML declaration without version 1.0",
    ),
    (
        "<?xml version='1.0' encoding='UTF-16'?><r/>",
        "encoding other than UTF-8",
    ),
    (
        "<?xml version='1.0' standalone='no' encoding='UTF-8'?><r/>",
        "malformed XML declaration",
    ),
];

#[test]
fn s03_what_other_parsers_repair_is_refused() {
    for (xml, why) in NOT_XML {
        assert_eq!(reason(xml), *why, "{xml}");
    }
    let utf16: Vec<u8> = "<r/>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(parse(&utf16, &Limits::MESSAGE).is_err());
    assert!(parse(b"<r>\xFF</r>", &Limits::MESSAGE).is_err());
}

#[test]
fn comments_that_xml_forbids_are_refused() {
    for xml in [
        "<r><!--></r>",
        "<r><!---></r>",
        "<r><!-- a --->x</r>",
        "<r><!-- a</r>",
    ] {
        assert_eq!(reason(xml), "not well-formed XML", "{xml}");
    }
}

#[test]
fn an_element_cut_out_of_another_is_read_with_the_names_declared_around_it() {
    let outer = parse(
        b"<o xmlns:a=\"urn:x:a?b'c\" xmlns=\"urn:d\"><i xmlns:a=\"urn:b\"/></o>",
        &Limits::MESSAGE,
    )
    .unwrap();
    let inner = outer.elements().next().unwrap();
    let read = |around: &[&Element]| parse_inside(b"<a:x/>", around, &Limits::MESSAGE).unwrap();
    assert_eq!(read(&[&outer]).namespace, "urn:x:a?b'c");
    assert_eq!(read(&[&outer, inner]).namespace, "urn:b");
    for bad in [
        &b"<a:x/><a:y/>"[..],
        b"x<a:x/>",
        b"",
        b"</inside><inside>",
        b"<a:x/></inside><inside>",
        b"<z:x/>",
    ] {
        assert!(parse_inside(bad, &[&outer], &Limits::MESSAGE).is_err());
    }
}
