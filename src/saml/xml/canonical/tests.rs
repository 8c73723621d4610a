use super::{Options, Stream, canonicalise};
use crate::saml::xml::reader::{
    Element, Limits, Sink, Tag as StartTag, XmlError, parse, parse_within, walk,
};
use crate::saml::xml::second_opinion;
use proptest::prelude::*;

fn read(xml: &str) -> Element {
    parse(xml.as_bytes(), &Limits::MESSAGE).unwrap_or_else(|e| panic!("{e}: {xml}"))
}

fn canonical(xml: &str) -> String {
    canonicalise(&read(xml), &Options::default())
}

#[test]
fn one_element_has_one_form_whatever_surrounds_it() {
    // After the example of exclusive C14N 2.2.
    let inner = "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\">\
                 <n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff></n1:elem2>";
    for context in [
        "<n0:pdu xmlns:n0='http://a.example' xmlns:n1='http://example.net' \
         xmlns:n3='ftp://example.org' xml:space='preserve'>\
         <n1:elem2 xml:lang='en'><n3:stuff/></n1:elem2></n0:pdu>",
        "<n2:pdu xmlns:n1='http://example.com' xmlns:n2='http://foo.example' xml:space='retain'>\
         <n1:elem2 xmlns:n1='http://example.net' xml:lang='en'>\
         <n3:stuff xmlns:n3='ftp://example.org'/></n1:elem2></n2:pdu>",
    ] {
        let root = read(context);
        let element = root.elements().next().unwrap();
        let options = Options {
            ancestors: &[&root],
            ..Options::default()
        };
        assert_eq!(canonicalise(element, &options), inner);
    }
}

#[test]
fn listed_prefixes_are_rendered_where_they_come_into_scope() {
    let root =
        read("<r xmlns='urn:d' xmlns:a='urn:a' xmlns:b='urn:b'><a:c><d xmlns=''/></a:c></r>");
    let element = root.elements().next().unwrap();
    let ancestors = &[&root];
    let form = |inclusive: &[&str]| {
        canonicalise(
            element,
            &Options {
                ancestors,
                inclusive,
                omit: None,
            },
        )
    };
    assert_eq!(form(&[]), "<a:c xmlns:a=\"urn:a\"><d></d></a:c>");
    assert_eq!(
        form(&["b", "#default", "absent"]),
        "<a:c xmlns=\"urn:d\" xmlns:a=\"urn:a\" xmlns:b=\"urn:b\"><d xmlns=\"\"></d></a:c>"
    );
}

#[test]
fn only_the_omitted_child_is_left_out() {
    let root = read("<r><s/><s/>t</r>");
    let omit = root.elements().nth(1);
    let form = canonicalise(
        &root,
        &Options {
            omit,
            ..Options::default()
        },
    );
    assert_eq!(form, "<r><s></s>t</r>");
}

#[test]
fn s04_no_document_has_an_empty_canonical_form() {
    assert_eq!(canonical("<r/>"), "<r></r>");
}

/// A random element: names from a few prefixes, declarations wherever a prefix may need one.
fn element() -> impl Strategy<Value = String> {
    let prefix = || prop::sample::select(vec!["", "a", "b"]);
    let uri = || prop::sample::select(vec!["urn:1", "urn:2", "http://3.example/"]);
    let text = || {
        prop::sample::select(vec![
            "",
            " ",
            "x",
            "\n\t",
            "&amp;&lt;&gt;&quot;&apos;",
            "&#13;&#9;&#10;",
            "\u{e9}\u{1F600}",
            "<![CDATA[<&>]]>",
            "\"'",
            "&#x0d;\r\n",
        ])
    };
    let value = || {
        prop::sample::select(vec![
            "",
            "x",
            "a  b\n\tc",
            "&amp;&lt;>&quot;'",
            "&#13;&#9;&#10;",
            "\u{5c71}",
        ])
    };
    let tag = (
        prefix(),
        prop::option::of(prop::sample::select(vec!["", "urn:1", "urn:2"])),
        prop::option::of(uri()),
        prop::option::of(uri()),
        prop::collection::btree_map(
            prop::sample::select(vec!["z", "y", "a:z", "b:y", "xml:lang"]),
            value(),
            0..4,
        ),
    );
    let leaf = (tag.clone(), text()).prop_map(|(tag, text)| render(&tag, text));
    leaf.prop_recursive(4, 24, 4, move |inner| {
        (tag.clone(), prop::collection::vec((text(), inner), 0..4)).prop_map(|(tag, children)| {
            let content: String = children
                .into_iter()
                .map(|(t, e)| [t, e.as_str()].concat())
                .collect();
            render(&tag, &content)
        })
    })
}

type Tag = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
    std::collections::BTreeMap<&'static str, &'static str>,
);

fn render((prefix, default, a, b, attributes): &Tag, content: &str) -> String {
    let colon = if prefix.is_empty() { "" } else { ":" };
    let declared = [("xmlns:b", b), ("xmlns", default), ("xmlns:a", a)];
    let declared = declared
        .iter()
        .filter_map(|(name, uri)| uri.map(|uri| (*name, uri)));
    let attributes = attributes.iter().map(|(name, value)| (*name, *value));
    let inside: String = attributes
        .chain(declared)
        .map(|(name, value)| [" ", name, "=\"", value, "\""].concat())
        .collect();
    format!("<{prefix}{colon}e{inside}>{content}</{prefix}{colon}e>")
}

/// What a careless or hostile writer may put anywhere.
const SLIPS: &[&str] = &[
    "<",
    ">",
    "&",
    ";",
    "=",
    "\"",
    "'",
    "/",
    ":",
    "xmlns=",
    " xmlns:c=\"urn:c\"",
    " x=\"y\"",
    "]]>",
    "<![CDATA[",
    "<![CDATA[x]]>",
    "<?",
    "<?x?>",
    "<c/>",
    "</c>",
    "<a:c/>",
    "<d:c/>",
    "&#x41;",
    "&#38;",
    "&#60;",
    "&lt;",
    "&nbsp;",
    "&#0;",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{feff}",
    "\u{fffe}",
    "\u{2028}",
    "\r",
    "\r\n",
    "\t",
    "-",
    "--",
    "1",
    "\u{e9}",
    "\u{b7}",
    " ",
];

type Output<'o> = Box<dyn FnMut(&[u8]) + 'o>;

/// The canonical form that the walk makes, and where each element stands.
struct Walked<'o> {
    stream: Stream<Output<'o>>,
    starts: Vec<usize>,
    spans: Vec<(usize, usize)>,
}

impl Sink for Walked<'_> {
    fn open(&mut self, tag: &StartTag<'_>) -> Result<(), XmlError> {
        self.starts.push(tag.start);
        self.stream.open(tag);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.stream.text(text);
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), XmlError> {
        self.spans.push((self.starts.pop().unwrap(), end));
        self.stream.close();
        Ok(())
    }
}

fn streamed(xml: &str, inclusive: &[&str]) -> (String, Vec<(usize, usize)>) {
    let mut octets = Vec::new();
    let spans = {
        let out: Output<'_> = Box::new(|piece| octets.extend_from_slice(piece));
        let mut walked = Walked {
            stream: Stream::new(inclusive, out),
            starts: Vec::new(),
            spans: Vec::new(),
        };
        walk(xml.as_bytes(), &Limits::MESSAGE, &[], &mut walked).unwrap();
        walked.spans
    };
    (String::from_utf8(octets).unwrap(), spans)
}

proptest! {
    #[test]
    fn the_stream_has_the_tree_s_form_and_knows_where_elements_stand(
        inner in element(),
        inclusive in prop::sample::subsequence(vec!["#default", "a", "b", "absent"], 0..4),
    ) {
        let xml = format!("\u{FEFF}<r xmlns:a='urn:a' xmlns:b='urn:b'>\r\n{inner}</r>");
        let options = Options { inclusive: &inclusive, ..Options::default() };
        let (form, spans) = streamed(&xml, &inclusive);
        prop_assert_eq!(form, canonicalise(&read(&xml), &options));
        for (start, end) in spans {
            let element = &xml[start..end];
            prop_assert!(element.starts_with('<') && element.ends_with('>'), "{}", element);
            let declarations = [("a", "urn:a"), ("b", "urn:b")].map(|(p, u)| (p.into(), u.into()));
            prop_assert!(parse_within(element.as_bytes(), &Limits::MESSAGE, &declarations).is_ok());
        }
    }

    #[test]
    fn random_documents_have_the_canonical_form_that_libxml2_gives_them(inner in element()) {
        let xml = format!("<r xmlns:a='urn:a' xmlns:b='urn:b'>{inner}</r>");
        let ours = canonical(&xml);
        prop_assert_eq!(&ours, &second_opinion::exclusive_c14n(&xml));
        prop_assert_eq!(&canonical(&ours), &ours);
    }

    #[test]
    fn s03_what_we_accept_libxml2_accepts_and_reads_alike(
        inner in element(),
        at in any::<prop::sample::Index>(),
        token in prop::sample::select(SLIPS),
    ) {
        let mut xml = format!("<r xmlns:a='urn:a' xmlns:b='urn:b'>{inner}</r>");
        let boundaries: Vec<usize> = xml.char_indices().map(|(at, _)| at).collect();
        xml.insert_str(boundaries[at.index(boundaries.len())], token);
        if let Ok(root) = parse(xml.as_bytes(), &Limits::MESSAGE) {
            let ours = canonicalise(&root, &Options::default());
            match second_opinion::try_exclusive_c14n(&xml) {
                Ok(theirs) => prop_assert_eq!(ours, theirs),
                // libxml2 knows more of URI syntax than a name needs; refusing is no misreading.
                Err(why) => prop_assert!(why.contains("is not a valid URI"), "{}", why),
            }
        }
    }
}
