/**
 * The names of the commands, for whoever runs or adds them.
 */
export const CommandIDs = {
  show: 'jupyter-wherobots:show',
  showSync: 'jupyter-wherobots:show-home',
  go: 'jupyter-wherobots:go',
  sort: 'jupyter-wherobots:sort',
  open: 'jupyter-wherobots:open',
  reveal: 'jupyter-wherobots:reveal',
  up: 'jupyter-wherobots:up',
  selectAll: 'jupyter-wherobots:select-all',
  filter: 'jupyter-wherobots:filter',
  refresh: 'jupyter-wherobots:refresh',
  copyPath: 'jupyter-wherobots:copy-path',
  copyCode: 'jupyter-wherobots:copy-code',
  copyLink: 'jupyter-wherobots:copy-link',
  insert: 'jupyter-wherobots:insert',
  download: 'jupyter-wherobots:download',
  upload: 'jupyter-wherobots:upload',
  uploadFolder: 'jupyter-wherobots:upload-folder',
  newFolder: 'jupyter-wherobots:new-folder',
  rename: 'jupyter-wherobots:rename',
  cut: 'jupyter-wherobots:cut',
  paste: 'jupyter-wherobots:paste',
  delete: 'jupyter-wherobots:delete',
  share: 'jupyter-wherobots:share',
  toHome: 'jupyter-wherobots:copy-to-home',
  shareFromHome: 'jupyter-wherobots:share-from-home',
  copyFromHome: 'jupyter-wherobots:copy-from-home'
};
