//! The imports between the files of a crate, read from the tokens of their sources, so that paths in macros count as
//! well.

use std::collections::HashMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path from the crate's root, which is empty.
pub(crate) type ModulePath = Vec<String>;

/// A source file of a crate.
pub(crate) struct Source {
    /// Its name for messages.
    pub(crate) name: String,
    /// Its module.
    pub(crate) module: ModulePath,
    /// Its content.
    pub(crate) tokens: TokenStream,
    /// True if it has too many lines and gives no reason.
    pub(crate) is_too_long: bool,
}

/// An import: one file uses an item of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// Indexes of the two files.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The line and the path.
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// The imports of a crate, each pair of files once. Inline modules belong to their file; test modules are skipped.
pub(crate) fn imports(sources: &[Source]) -> Vec<Import> {
    let modules: HashMap<&[String], usize> =
        sources.iter().enumerate().map(|(index, source)| (&source.module[..], index)).collect();
    let mut imports: Vec<Import> = Vec::new();
    for (from, source) in sources.iter().enumerate() {
        let mut reader = Reader { modules: &modules, found: Vec::new() };
        reader.read(source.tokens.clone(), &source.module);
        for (path, line) in reader.found {
            let to = (0..=path.len()).rev().find_map(|length| modules.get(&path[..length])).copied();
            let is_new = |to| !imports.iter().any(|import| (import.from, import.to) == (from, to));
            if let Some(to) = to.filter(|&to| to != from && is_new(to)) {
                imports.push(Import { from, to, line, path: format!("crate::{}", path.join("::")) });
            }
        }
    }
    imports
}

/// A path and its line.
type Found = (ModulePath, usize);

struct Reader<'m> {
    modules: &'m HashMap<&'m [String], usize>,
    found: Vec<Found>,
}

impl Reader<'_> {
    /// Reads the content of a module.
    fn read(&mut self, tokens: TokenStream, module: &ModulePath) {
        let mut names = HashMap::new();
        self.read_uses(tokens.clone(), module, &mut names);
        self.read_paths(tokens, module, &names);
    }

    /// Reads the `use` declarations; adds the modules that they name to `names`.
    fn read_uses(&mut self, tokens: TokenStream, module: &ModulePath, names: &mut HashMap<String, ModulePath>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut is_test = false;
        let mut index = 0;
        while index < tokens.len() {
            match &tokens[index] {
                TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(index + 1), '<') => {
                    let end = (index..tokens.len()).find(|&at| is_punct(tokens.get(at), ';')).unwrap_or(tokens.len());
                    self.read_tree(&tokens[index + 1..end], Vec::new(), module, names);
                    index = end;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(TokenTree::Group(_)) = tokens.get(index + 2) {
                        // A separate module with its own names: read in its turn.
                        index += 2;
                    }
                    is_test = false;
                }
                TokenTree::Group(group) if is_punct(index.checked_sub(1).and_then(|at| tokens.get(at)), '#') => {
                    is_test |= is_cfg_test(&group.stream());
                }
                TokenTree::Group(group) if !is_test => self.read_uses(group.stream(), module, names),
                _ => {}
            }
            index += 1;
        }
    }

    /// Reads the part of a `use` declaration behind `prefix`.
    fn read_tree(
        &mut self,
        tokens: &[TokenTree],
        prefix: Vec<String>,
        module: &ModulePath,
        names: &mut HashMap<String, ModulePath>,
    ) {
        let (mut path, mut line, mut alias) = (prefix, 0, None);
        let mut index = 0;
        while index < tokens.len() {
            match &tokens[index] {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.get(index + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(word) => {
                    line = word.span().start().line;
                    if word != "self" || path.is_empty() {
                        path.push(word.to_string());
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let parts: Vec<TokenTree> = group.stream().into_iter().collect();
                    for part in parts.split(|token| is_punct(Some(token), ',')) {
                        if !part.is_empty() {
                            self.read_tree(part, path.clone(), module, names);
                        }
                    }
                    return;
                }
                _ => {}
            }
            index += 1;
        }
        let Some(resolved) = self.resolve(&path, module, &HashMap::new()) else { return };
        if self.modules.contains_key(&resolved[..]) {
            if let Some(name) = alias.or_else(|| path.last().cloned()) {
                names.insert(name, resolved.clone());
            }
        }
        self.found.push((resolved, line));
    }

    /// Reads the paths in code.
    fn read_paths(&mut self, tokens: TokenStream, module: &ModulePath, names: &HashMap<String, ModulePath>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut is_test = false;
        let mut index = 0;
        while index < tokens.len() {
            match &tokens[index] {
                TokenTree::Ident(word) if word == "use" => {
                    let end = (index..tokens.len()).find(|&at| is_punct(tokens.get(at), ';'));
                    index = end.filter(|_| !is_punct(tokens.get(index + 1), '<')).unwrap_or(index);
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let (Some(name), Some(TokenTree::Group(group))) = (tokens.get(index + 1), tokens.get(index + 2))
                    {
                        if !is_test {
                            let inner = [&module[..], &[name.to_string()]].concat();
                            self.read(group.stream(), &inner);
                        }
                        index += 2;
                    }
                    is_test = false;
                }
                TokenTree::Ident(word) if is_path_sign(&tokens, index + 1) => {
                    let line = word.span().start().line;
                    let mut path = vec![word.to_string()];
                    while let (true, Some(TokenTree::Ident(word))) =
                        (is_path_sign(&tokens, index + 1), tokens.get(index + 3))
                    {
                        path.push(word.to_string());
                        index += 3;
                    }
                    if let Some(resolved) = self.resolve(&path, module, names) {
                        self.found.push((resolved, line));
                    }
                }
                TokenTree::Group(group) if is_punct(index.checked_sub(1).and_then(|at| tokens.get(at)), '#') => {
                    is_test |= is_cfg_test(&group.stream());
                }
                TokenTree::Group(group) => self.read_paths(group.stream(), module, names),
                _ => {}
            }
            index += 1;
        }
    }

    /// The absolute path of a path in the source. `None` if it leads out of the crate or to a local name.
    fn resolve(&self, path: &[String], module: &ModulePath, names: &HashMap<String, ModulePath>) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        let child = [&module[..], std::slice::from_ref(first)].concat();
        let (mut start, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (module.clone(), rest),
            "super" => (module.clone(), path),
            _ if self.modules.contains_key(&child[..]) => (child, rest),
            name => (names.get(name)?.clone(), rest),
        };
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            start.pop();
            rest = after;
        }
        Some([&start[..], rest].concat())
    }
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

/// Whether `::` is at this position.
fn is_path_sign(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}

/// Whether an attribute restricts the next item to tests.
fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
}
