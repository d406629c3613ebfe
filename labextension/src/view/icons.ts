/**
 * Icons that JupyterLab 4.1 does not have, in its own style: they take their colour from the theme.
 */
import { LabIcon } from '@jupyterlab/ui-components';

const svg = (path: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${path}</g></svg>`;

const icon = (name: string, path: string): LabIcon =>
  new LabIcon({ name: `jupyter-wherobots:${name}`, svgstr: svg(path) });

/** The sidebar tab: a bucket. */
export const storageIcon = new LabIcon({
  name: 'jupyter-wherobots:storage',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3 jp-icon-selectable" fill="#616161">' +
    '<path fill-rule="evenodd" d="M12 3c5 0 9 1.3 9 3.2L18.6 19c-.3 1.4-3.2 2.4-6.6 2.4S5.700 20.400 5.400 19L3 6.200C3 4.300 7 3 12 3zm0 1.700c-4.200 0-7 .9-7 1.500s2.800 1.500 7 1.500 7-.9 7-1.500-2.800-1.500-7-1.500z"/>' +
    '</g></svg>'
});

export const pauseIcon = icon('pause', '<path d="M7 5h4v14H7zm6 0h4v14h-4z"/>');
export const resumeIcon = icon('resume', '<path d="M8 5v14l11-7z"/>');
export const retryIcon = icon(
  'retry',
  '<path d="M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z"/>'
);
