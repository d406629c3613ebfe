/**
 * Keeping the keyboard where it was: a button that is gone once it was pressed would leave it nowhere.
 */

const FOCUSABLE = 'button:enabled, input:enabled, summary, [tabindex="0"]';

/**
 * When the element that has the focus leaves a part of the page, give the focus to what is nearest to its place there.
 * `fallback` gets it if nothing is left but the part itself. The returned function ends it.
 */
export function keepFocusIn(
  part: HTMLElement,
  fallback: () => HTMLElement | null
): () => void {
  /** The element that has the focus, and those around it, innermost first. */
  let around: Element[] = [];

  const enter = (event: FocusEvent): void => {
    around = [];
    for (
      let element = event.target as Element | null;
      element && element !== part;
      element = element.parentElement
    ) {
      around.push(element);
    }
  };
  const leave = (): void => {
    // An element that is taken out of the page leaves in the same way as one that somebody tabs away from.
    queueMicrotask(() => {
      if (around[0]?.isConnected && !part.contains(document.activeElement)) {
        around = [];
      }
    });
  };
  const observer = new MutationObserver(() => {
    const lost = around.length > 0 && !around[0]!.isConnected;
    if (!lost || document.activeElement !== document.body) {
      return;
    }
    for (const element of around.filter(each => each.isConnected)) {
      const next = element.querySelector<HTMLElement>(FOCUSABLE);
      if (next) {
        next.focus();
        return;
      }
    }
    fallback()?.focus();
  });

  part.addEventListener('focusin', enter);
  part.addEventListener('focusout', leave);
  observer.observe(part, { childList: true, subtree: true });
  return () => {
    part.removeEventListener('focusin', enter);
    part.removeEventListener('focusout', leave);
    observer.disconnect();
  };
}
