//! Views laid out by hand in a guest's memory, as the canonical ABI wants them: trees that no tree builder would make.

/// One node of a view.
pub enum Node {
    Text(String),
    Element(Element),
    /// A variant that doesn't exist.
    Nonsense,
}

/// One element.
#[derive(Default)]
pub struct Element {
    pub tag: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<u32>,
    pub action: Option<(String, String)>,
}

/// A node of text.
pub fn text(text: &str) -> Node {
    Node::Text(text.to_owned())
}

/// An element without attributes.
pub fn element(tag: &str, children: &[u32]) -> Node {
    with(tag, &[], children)
}

/// An element with attributes.
pub fn with(tag: &str, attributes: &[(&str, &str)], children: &[u32]) -> Node {
    let attributes = attributes
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Node::Element(Element {
        tag: tag.into(),
        attributes,
        children: children.into(),
        action: None,
    })
}

/// An element with an action.
pub fn acting(tag: &str, name: &str, payload: &str, children: &[u32]) -> Node {
    let action = Some((name.into(), payload.into()));
    Node::Element(Element {
        tag: tag.into(),
        children: children.into(),
        action,
        ..Element::default()
    })
}

/// Where views lie in the guest's memory: above everything else it keeps there.
const AT: u32 = 1 << 20;
/// Bytes of one node: its discriminant, and an element.
const NODE: usize = 48;

/// A view as a data segment of the module, and where it begins.
pub fn lay_out(nodes: &[Node], roots: &[u32]) -> (String, u32) {
    let mut heap = Heap(vec![0; NODE * nodes.len()]);
    for (index, node) in nodes.iter().enumerate() {
        let at = index * NODE;
        match node {
            Node::Nonsense => heap.put(at, 77),
            Node::Text(text) => heap.slice(at + 4, text.as_bytes(), text.len()),
            Node::Element(element) => {
                heap.put(at, 1);
                heap.slice(at + 4, element.tag.as_bytes(), element.tag.len());
                let attributes = element.attributes.iter().flat_map(|(name, value)| [name, value]);
                let strings: Vec<u8> = attributes.flat_map(|text| heap.string(text)).collect();
                heap.slice(at + 12, &strings, element.attributes.len());
                let children: Vec<u8> = element.children.iter().flat_map(|child| child.to_le_bytes()).collect();
                heap.slice(at + 20, &children, element.children.len());
                if let Some((name, payload)) = &element.action {
                    heap.put(at + 28, 1);
                    heap.slice(at + 32, name.as_bytes(), name.len());
                    heap.slice(at + 40, payload.as_bytes(), payload.len());
                }
            }
        }
    }
    let roots_at = heap.add(&roots.iter().flat_map(|root| root.to_le_bytes()).collect::<Vec<_>>());
    let view = [AT, nodes.len() as u32, roots_at, roots.len() as u32, 0, 0];
    let view_at = heap.add(&view.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>());
    let escaped: String = heap.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
    (format!("(data (i32.const {AT}) \"{escaped}\")"), view_at)
}

struct Heap(Vec<u8>);

impl Heap {
    fn put(&mut self, at: usize, word: u32) {
        self.0[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    fn add(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = AT + self.0.len() as u32;
        self.0.extend_from_slice(bytes);
        at
    }

    fn slice(&mut self, at: usize, bytes: &[u8], length: usize) {
        let pointer = self.add(bytes);
        self.put(at, pointer);
        self.put(at + 4, length as u32);
    }

    fn string(&mut self, text: &str) -> [u8; 8] {
        let pointer = self.add(text.as_bytes());
        let mut string = [0; 8];
        string[..4].copy_from_slice(&pointer.to_le_bytes());
        string[4..].copy_from_slice(&(text.len() as u32).to_le_bytes());
        string
    }
}
