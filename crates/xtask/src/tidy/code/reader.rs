//! The walk through one Rust file. Each rule is one function here that is handed what the walk comes across.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Signature};

use super::super::{Source, Violation};

const LONGEST_FUNCTION_LINES: usize = 70;

/// What the gateway is measured against is a proxy of axum, and one file.
const FLOOR: &str = "crates/xtask/src/bench/gateway/floor.rs";

const SQL_BEGINNINGS: [&str; 11] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE INDEX ",
    "ALTER TABLE ",
    "DROP TABLE ",
    "TRUNCATE ",
    "PRAGMA ",
];

pub struct Reader<'a> {
    source: &'a Source,
    in_test: bool,
    violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    pub fn read(source: &'a Source, file: &syn::File, is_test: bool) -> Vec<Violation> {
        let mut reader = Reader { source, in_test: is_test, violations: Vec::new() };
        reader.visit_file(file);
        reader.violations
    }

    fn report(&mut self, span: Span, message: impl Into<String>) {
        self.violations.push(self.source.violation(span.start().line, message));
    }

    /// Goes on inside an item, which may be for tests only.
    fn enter(&mut self, attributes: &[Attribute], walk: impl FnOnce(&mut Self)) {
        let outside = self.in_test;
        self.in_test |= is_for_tests(attributes);
        walk(self);
        self.in_test = outside;
    }

    fn check_function(&mut self, signature: &Signature, block: &Block) {
        let first = signature.fn_token.span;
        let lines = block.brace_token.span.close().end().line - first.start().line + 1;
        if lines > LONGEST_FUNCTION_LINES {
            let message = format!(
                "{} has {lines} lines, and {LONGEST_FUNCTION_LINES} is the most. Split it by what it does.",
                signature.ident
            );
            self.report(first, message);
        }
    }

    fn check_method(&mut self, method: &proc_macro2::Ident) {
        if !self.in_test && method == "unwrap" {
            let message = ".unwrap() says nothing when it fails. Return an error, or expect() with why it cannot fail.";
            self.report(method.span(), message);
        }
    }

    fn check_text(&mut self, text: &str, span: Span) {
        if !self.in_test && self.source.crate_name() != Some("storage") && is_sql(text) {
            self.report(span, "SQL is written in crates/storage alone. Give storage a function that does this.");
        }
    }

    fn check_first_name(&mut self, name: &proc_macro2::Ident) {
        let is_web = matches!(self.source.crate_name(), Some("web" | "sandbox")) || self.source.path == FLOOR;
        if !self.in_test && !is_web && ["axum", "axum_core", "axum_extra"].iter().any(|web| name == web) {
            self.report(
                name.span(),
                format!("{name} is used in web and sandbox alone. Pass what is needed as a value."),
            );
        }
    }

    fn check_macro_name(&mut self, name: &proc_macro2::Ident) {
        if name == "todo" || name == "unimplemented" {
            self.report(name.span(), format!("{name}! marks unfinished work. Finish it."));
        }
    }

    /// The inside of a macro call has no syntax yet: the same rules, on its tokens.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match (token, tokens.get(index + 1), tokens.get(index + 2)) {
                (TokenTree::Group(group), ..) => self.read_tokens(group.stream()),
                (TokenTree::Punct(dot), Some(TokenTree::Ident(method)), Some(TokenTree::Group(arguments)))
                    if dot.as_char() == '.' && arguments.delimiter() == Delimiter::Parenthesis =>
                {
                    self.check_method(method);
                }
                (TokenTree::Ident(name), Some(TokenTree::Punct(mark)), _) if mark.as_char() == '!' => {
                    self.check_macro_name(name);
                }
                (TokenTree::Literal(literal), ..) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal.clone()) {
                        self.check_text(&text.value(), literal.span());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.enter(&item.attrs, |reader| visit::visit_item_mod(reader, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.check_function(&item.sig, &item.block);
        self.enter(&item.attrs, |reader| visit::visit_item_fn(reader, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.enter(&item.attrs, |reader| visit::visit_item_impl(reader, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.check_function(&item.sig, &item.block);
        self.enter(&item.attrs, |reader| visit::visit_impl_item_fn(reader, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.check_function(&item.sig, block);
        }
        self.enter(&item.attrs, |reader| visit::visit_trait_item_fn(reader, item));
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.enter(&item.attrs, |reader| {
            for name in first_names(&item.tree) {
                reader.check_first_name(name);
            }
        });
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if let (Some(first), true) = (path.segments.first(), path.segments.len() > 1) {
            self.check_first_name(&first.ident);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.check_method(&call.method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.check_text(&text.value(), text.span());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.check_macro_name(&name.ident);
        }
        self.read_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    /// Documentation is an attribute too, and free to speak of anything.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("ignore") {
            let span = attribute.pound_token.span;
            self.report(span, "an ignored test proves nothing. Make it pass, or take it out.");
        }
    }
}

/// Whether what carries these attributes is compiled for tests alone.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_test = attribute.path().segments.last().is_some_and(|name| name.ident == "test");
        let condition = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.clone(),
            _ => return is_test,
        };
        demands_tests(condition)
    })
}

/// Whether a `cfg` condition is `test`, or `all(…)` with `test` among its parts.
fn demands_tests(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(parts)] if word == "all" => {
            parts.stream().into_iter().any(|token| matches!(token, TokenTree::Ident(part) if part == "test"))
        }
        _ => false,
    }
}

fn first_names(tree: &syn::UseTree) -> Vec<&proc_macro2::Ident> {
    match tree {
        syn::UseTree::Path(path) => vec![&path.ident],
        syn::UseTree::Name(name) => vec![&name.ident],
        syn::UseTree::Rename(rename) => vec![&rename.ident],
        syn::UseTree::Group(group) => group.items.iter().flat_map(first_names).collect(),
        _ => Vec::new(),
    }
}

/// Keywords in capitals, as SQL is written here, with what must follow them, so that sentences are left alone.
fn is_sql(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    SQL_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
        || (text.starts_with("UPDATE ") && text.contains(" SET "))
        || (text.starts_with("WITH ") && text.contains(" AS ("))
}
