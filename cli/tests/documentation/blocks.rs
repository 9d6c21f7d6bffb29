//! The blocks of the documentation.

use std::fs;

use crate::harness::installation::workspace;

pub(crate) struct Block {
    pub(crate) page: String,
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) marks: Vec<String>,
    pub(crate) text: String,
}

impl Block {
    pub(crate) fn is(&self, language: &str, mark: &str) -> bool {
        self.language == language && self.marks == [mark]
    }

    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// Its lines without comments, each as words.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Vec<&str>> {
        let lines = self.text.lines().map(|line| line.split(" #").next().unwrap());
        lines.map(|line| line.split_whitespace().collect())
    }
}

pub(crate) fn pages() -> Vec<String> {
    let docs = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut pages: Vec<_> = docs.map(|name| format!("docs/{}", name.to_str().unwrap())).collect();
    pages.retain(|page| page.ends_with(".md"));
    pages.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(str::to_owned));
    pages
}

pub(crate) fn blocks() -> Vec<Block> {
    let blocks: Vec<_> = pages().iter().flat_map(|page| blocks_of(page)).collect();
    assert!(blocks.len() > 40, "{} blocks are few", blocks.len());
    blocks
}

fn blocks_of(page: &str) -> Vec<Block> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_inside = false;
    for (index, line) in text.lines().enumerate() {
        let Some(fence) = line.trim_start().strip_prefix("```") else {
            if is_inside {
                blocks.last_mut().unwrap().text += &format!("{line}\n");
            }
            continue;
        };
        is_inside = !is_inside;
        if is_inside {
            let mut words = fence.split_whitespace().map(str::to_owned);
            let (page, language) = (page.to_owned(), words.next().unwrap_or_default());
            blocks.push(Block { page, line: index + 1, language, marks: words.collect(), text: String::new() });
        }
    }
    assert!(!is_inside, "{page}: a block does not end");
    blocks
}

/// The blocks of a language with this word behind it; there must be some.
pub(crate) fn blocks_with(language: &str, mark: &str) -> Vec<Block> {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.is(language, mark)).collect();
    assert!(!found.is_empty(), "no ```{language} {mark}");
    found
}
