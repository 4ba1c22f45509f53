/** Keep the keyboard in a dialog while it is open, and give it back to where it was. */

const REACHED = 'button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), a[href], [tabindex="0"]';

/** A Svelte action for the element of a dialog, which has `tabindex="-1"`: its first field, or what is marked `data-first`, takes the keyboard. */
export function dialog(node: HTMLElement): { destroy: () => void } {
  const before = document.activeElement;
  (node.querySelector<HTMLElement>('input, [data-first]') ?? node).focus();

  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'Tab') return;
    const reached = [...node.querySelectorAll<HTMLElement>(REACHED)];
    if (!reached.length) return;
    const at = reached.indexOf(document.activeElement as HTMLElement);
    const next = event.shiftKey ? (at <= 0 ? reached.length - 1 : at - 1) : (at + 1) % reached.length;
    event.preventDefault();
    reached[next].focus();
  };
  node.addEventListener('keydown', onKey);
  return {
    destroy: () => {
      node.removeEventListener('keydown', onKey);
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    },
  };
}
