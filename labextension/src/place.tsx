/**
 * A notebook that was opened from the storage says where it lives.
 */
import { Clipboard } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { TranslationBundle } from '@jupyterlab/translation';
import { copyIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { IDisposable } from '@lumino/disposable';
import type { BoxPanel, Widget } from '@lumino/widgets';
import * as React from 'react';
import { DRIVE } from './drive';

interface IWithHeader extends Widget {
  contentHeader?: BoxPanel;
}

/** Adds the place to the head of every document of the drive: the toolbar would fold it away where it is narrow. */
export class PlaceExtension implements DocumentRegistry.WidgetExtension {
  constructor(
    private readonly uriOf: (path: string) => string | null,
    private readonly trans: TranslationBundle
  ) {}

  createNew(
    widget: IWithHeader,
    context: DocumentRegistry.Context
  ): IDisposable | void {
    if (!context.path.startsWith(`${DRIVE}:`) || !widget.contentHeader) {
      return;
    }
    const path = `/${context.path.slice(DRIVE.length + 1)}`;
    const place = ReactWidget.create(
      <Place path={path} uriOf={this.uriOf} trans={this.trans} />
    );
    place.addClass('jp-Wherobots-place');
    widget.contentHeader.addWidget(place);
    return place;
  }
}

function Place(props: {
  path: string;
  uriOf: (path: string) => string | null;
  trans: TranslationBundle;
}): JSX.Element {
  const { path, uriOf, trans } = props;
  const uri = uriOf(path);
  return (
    <>
      <span title={uri ?? path}>
        {trans.__('In managed storage: %1', path)}
      </span>
      {uri && (
        <button
          type="button"
          className="jp-Wherobots-button"
          aria-label={trans.__('Copy S3 path of this document')}
          title={trans.__('Copy %1', uri)}
          onClick={() => Clipboard.copyToSystem(uri)}
        >
          <copyIcon.react tag="span" />
        </button>
      )}
    </>
  );
}
