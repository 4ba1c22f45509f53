/** Tell a page of what goes wrong in it. */

interface Told {
  report(detail: string): void;
}

/** Tell of every error that nobody caught; answers what ends it. */
export function watchProblems(page: Told): () => void {
  const onError = (event: ErrorEvent) => {
    // browsers say this of any layout that settles in two steps; it harms nothing
    if (!event.message.startsWith('ResizeObserver loop')) page.report(event.message);
  };
  const onRejection = (event: PromiseRejectionEvent) => page.report(String((event.reason as Error | undefined)?.message ?? event.reason));
  window.addEventListener('error', onError);
  window.addEventListener('unhandledrejection', onRejection);
  return () => {
    window.removeEventListener('error', onError);
    window.removeEventListener('unhandledrejection', onRejection);
  };
}
