/**
 * The two spellings of text in a notebook: one string, as JupyterLab works with it, and a list of lines, as notebook files
 * have it (so that they compare well). Pure.
 */

type Text = string | string[];
type Bundle = Record<string, unknown>;

interface IOutput {
  text?: Text;
  data?: Bundle;
  [key: string]: unknown;
}

interface ICell {
  source: Text;
  outputs?: IOutput[];
  attachments?: Record<string, Bundle>;
  [key: string]: unknown;
}

export interface INotebook {
  nbformat: number;
  cells?: ICell[];
  [key: string]: unknown;
}

/** Everything that is a list of lines as one string. */
export function joined(notebook: INotebook): INotebook {
  return mapped(notebook, text => (Array.isArray(text) ? text.join('') : text));
}

/** Every text as a list of lines that keep their ends. */
export function split(notebook: INotebook): INotebook {
  return mapped(notebook, text =>
    typeof text === 'string' ? (text.match(/[^\n]*\n|[^\n]+$/g) ?? []) : text
  );
}

function mapped(notebook: INotebook, spell: (text: Text) => Text): INotebook {
  const bundle = (data: Bundle): Bundle =>
    Object.fromEntries(
      Object.entries(data).map(([type, value]) => [
        type,
        isText(type, value) ? spell(value) : value
      ])
    );
  const output = (given: IOutput): IOutput => ({
    ...given,
    ...(given.text !== undefined ? { text: spell(given.text) } : {}),
    ...(given.data !== undefined ? { data: bundle(given.data) } : {})
  });
  const cell = (given: ICell): ICell => ({
    ...given,
    source: spell(given.source),
    ...(given.outputs ? { outputs: given.outputs.map(output) } : {})
  });
  return notebook.cells
    ? { ...notebook, cells: notebook.cells.map(cell) }
    : notebook;
}

/** JSON keeps its own shape, and images are one string in either spelling. */
function isText(type: string, value: unknown): value is Text {
  if (/[/+]json$/.test(type)) {
    return false;
  }
  return (
    (typeof value === 'string' && /^text\/|svg\+xml$|javascript$/.test(type)) ||
    (Array.isArray(value) && value.every(line => typeof line === 'string'))
  );
}
