/**
 * The JupyterLab plugin: registers the sidebar. The only module that knows the application.
 */
import { ILayoutRestorer } from '@jupyterlab/application';
import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { folderIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-wherobots:plugin',
  description: 'The managed storage sidebar.',
  autoStart: true,
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_wherobots');
    const panel = new Widget();
    panel.id = 'jupyter-wherobots-panel';
    panel.addClass('jp-Wherobots-panel');
    panel.title.icon = folderIcon;
    panel.title.caption = trans.__('Managed Storage');
    app.shell.add(panel, 'left', { rank: 102 });
    restorer?.add(panel, panel.id);
  }
};

export default plugin;
