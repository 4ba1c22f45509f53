/** Whether the screen has room for one part of a page only; the same width stands in the styles. */
import { MediaQuery } from 'svelte/reactivity';

export const narrow = new MediaQuery('(max-width: 900px)');
