/**
 * The editor a person is in, whatever kind of document it is.
 *
 * Notebooks, consoles and text files are recognised by their shape, not by their classes: depending on their packages would
 * bind this extension to one JupyterLab.
 */

interface IEditor {
  replaceSelection?(text: string): void;
  focus?(): void;
}

interface IDocument {
  content?: IDocument;
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
