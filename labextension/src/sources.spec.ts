/** What is promised of every source: words go through the translator, colours are JupyterLab's. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';

const SPOKEN = new Set(['aria-label', 'title', 'placeholder', 'label', 'alt']);
const WORDS = /\p{L}{2}/u;

/** Words in the page that no translator sees: text between tags, and attributes that are read out. */
function untranslated(source: ts.SourceFile): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const code = ts.isJsxElement(node.parent ?? source)
      ? (node.parent as ts.JsxElement).openingElement.tagName.getText() ===
        'code'
      : false;
    if (ts.isJsxText(node) && WORDS.test(node.text) && !code) {
      found.push(node.text.trim());
    } else if (
      ts.isJsxAttribute(node) &&
      SPOKEN.has(node.name.getText()) &&
      node.initializer &&
      ts.isStringLiteral(node.initializer)
    ) {
      found.push(node.initializer.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function parsed(text: string): ts.SourceFile {
  return ts.createSourceFile('a.tsx', text, ts.ScriptTarget.Latest, true);
}

test('every word goes through the translator', () => {
  const naked = '<p title="Words">Naked <b>{trans.__("Dressed")}</b></p>';
  expect(untranslated(parsed(naked))).toEqual(['Words', 'Naked']);
  const root = import.meta.dirname;
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const found = files
    .filter(name => name.endsWith('.tsx'))
    .flatMap(name =>
      untranslated(parsed(readFileSync(join(root, name), 'utf8')))
    );
  expect(found).toEqual([]);
});

test('every colour is one of JupyterLab', () => {
  const root = join(import.meta.dirname, '..', 'style');
  const own =
    /#[\da-f]{3,8}\b|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color)a?\(|:\s*(?:black|white|gr[ae]y|red|green|blue|orange|yellow)\b/i;
  expect(own.test('color: #fff')).toBe(true);
  for (const name of readdirSync(root).filter(each => each.endsWith('.css'))) {
    const rules = readFileSync(join(root, name), 'utf8').replace(
      /\/\*[^]*?\*\//g,
      ''
    );
    expect(rules.split('\n').filter(line => own.test(line))).toEqual([]);
  }
});
