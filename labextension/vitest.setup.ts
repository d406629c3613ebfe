/**
 * What browsers have and jsdom lacks, and JupyterLab's packages touch while they are imported.
 */
Object.assign(globalThis, {
  DragEvent: class extends MouseEvent {},
  matchMedia: (media: string) =>
    Object.assign(new EventTarget(), {
      media,
      matches: false,
      onchange: null,
      addListener: () => undefined,
      removeListener: () => undefined
    })
});
