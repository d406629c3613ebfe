/**
 * A name being typed into the list. Enter takes it, Escape and an empty name leave everything as it was.
 */
import * as React from 'react';
import type { NameProblem } from '../model/paths';
import { problemOfName } from '../model/paths';
import { usePanel } from './context';

export function NameField(): JSX.Element {
  const { browser, changes, trans } = usePanel();
  const naming = browser.naming!;
  const [name, setName] = React.useState(naming.name);
  const field = React.useRef<HTMLInputElement>(null);
  const over = React.useRef(false);
  const words: Record<Exclude<NameProblem, null>, string> = {
    empty: '',
    slash: trans.__('A name cannot contain a slash.'),
    dots: trans.__('“.” and “..” are no names.'),
    control: trans.__('A name cannot contain control characters.')
  };
  const problem = problemOfName(name);
  const message = problem ? words[problem] : '';

  React.useEffect(() => {
    const element = field.current!;
    element.focus();
    // Renaming usually keeps the extension.
    const folder = naming.entry?.type === 'FOLDER';
    const dot = folder ? -1 : naming.name.lastIndexOf('.');
    element.setSelectionRange(0, dot > 0 ? dot : naming.name.length);
  }, [naming]);

  const end = (take: boolean): void => {
    if (over.current) {
      return;
    }
    if (take && message) {
      field.current?.focus();
      return;
    }
    over.current = true;
    const grid = field.current?.closest<HTMLElement>('[role="grid"]');
    browser.endNaming();
    grid?.focus();
    if (take && problem === null && name !== naming.name) {
      void changes.finishNaming(naming, name);
    }
  };
  return (
    <span className="jp-Wherobots-naming">
      <input
        ref={field}
        className="jp-Wherobots-input"
        aria-label={
          naming.entry === null
            ? trans.__('Name of the new folder')
            : trans.__('New name')
        }
        aria-invalid={message !== ''}
        placeholder={naming.entry === null ? trans.__('Folder name') : ''}
        spellCheck={false}
        value={name}
        onChange={event => setName(event.target.value)}
        onBlur={() => {
          // Another window came to the front: the field keeps the focus of this one.
          if (document.activeElement !== field.current) {
            end(!message);
          }
        }}
        onKeyDown={event => {
          event.stopPropagation();
          if (event.key === 'Enter' || event.key === 'Escape') {
            event.preventDefault(); // or a dialog that opens now would take the key for its own
            end(event.key === 'Enter');
          }
        }}
      />
      {message && (
        <span role="alert" className="jp-Wherobots-problem">
          {message}
        </span>
      )}
    </span>
  );
}
