/**
 * The editor a person is in, whatever kind of document it is.
 *
 * Notebooks, consoles and text files are recognised by their shape, not by their classes: depending on their packages would
 * bind this extension to one JupyterLab.
 */

interface IPosition {
  line: number;
  column: number;
}

interface IEditor {
  replaceSelection?(text: string): void;
  focus?(): void;
  getPositionForCoordinate?(at: DOMRect): IPosition | null;
  setCursorPosition?(position: IPosition): void;
}

interface ICell {
  node: Node;
  model?: { type?: string };
  readOnly?: boolean;
  editor?: IEditor | null;
}

interface IDocument {
  content?: IDocument;
  widgets?: readonly ICell[];
  console?: { promptCell?: { editor?: IEditor | null } | null };
  activeCell?: { editor?: IEditor | null } | null;
  editor?: IEditor | null;
}

/** Insert text at the cursor of a notebook's active cell, a console's prompt or a text file. False if it is none of them. */
export function insertText(widget: unknown, text: string): boolean {
  const document = (widget ?? {}) as IDocument;
  const editor =
    document.content?.activeCell?.editor ??
    document.content?.editor ??
    document.console?.promptCell?.editor;
  if (typeof editor?.replaceSelection !== 'function') {
    return false;
  }
  editor.replaceSelection(text);
  editor.focus?.();
  return true;
}

/**
 * Insert text where it was dropped, if that is the editor of a Markdown or raw cell of a document: those take files to
 * attach, and let no text through. False if it is another place.
 */
export function insertDropped(
  documents: Iterable<unknown>,
  { target, clientX, clientY }: DragEvent,
  text: string
): boolean {
  if (!(target as Element).closest('.cm-editor')) {
    return false;
  }
  for (const { content } of documents as Iterable<IDocument>) {
    const cell = content?.widgets?.find?.(each =>
      each.node.contains(target as Node)
    );
    const editor = cell?.editor;
    if (cell?.model?.type === 'code' || cell?.readOnly || !editor) {
      continue;
    }
    const place = new DOMRect(clientX, clientY);
    const position = editor.getPositionForCoordinate?.(place);
    if (position) {
      editor.setCursorPosition?.(position);
    }
    editor.replaceSelection?.(text);
    editor.focus?.();
    return true;
  }
  return false;
}
