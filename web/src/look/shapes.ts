/** The shapes of states and things as SVG, one source for map, list and legend. */

export const SHAPES: Record<string, string> = {
  normal: '<circle cx="12" cy="12" r="4.5" fill="var(--ok)"/>',
  warning: '<path d="M12 3.2 22 20.4H2Z" fill="var(--warning)"/>',
  alarm: '<path d="M12 1.6 22.4 12 12 22.4 1.6 12Z" fill="var(--alarm)"/>',
  critical:
    '<path d="M12 .9 23.1 12 12 23.1.9 12Z" fill="none" stroke="var(--critical)" stroke-width="1.9"/><path d="M12 5.6 18.4 12 12 18.4 5.6 12Z" fill="var(--critical)"/>',
  offline: '<path d="M5.5 5.5l13 13M18.5 5.5l-13 13" stroke="var(--text-3)" stroke-width="3" stroke-linecap="round"/>',
  unknown: '<circle cx="12" cy="12" r="6.6" fill="none" stroke="var(--text-3)" stroke-width="2.4" stroke-dasharray="3 2.4"/>',
  paused: '<path d="M7 4h3.6v16H7zM13.4 4H17v16h-3.6z" fill="var(--text-2)"/>',
  person: '<circle cx="12" cy="7" r="4" fill="var(--person)"/><path d="M4.5 21c0-5 3.2-8 7.5-8s7.5 3 7.5 8z" fill="var(--person)"/>',
  vehicle: '<path d="M12 1.8 17.4 9v11.200a2 2 0 0 1-2 2H8.600a2 2 0 0 1-2-2V9zM8.800 11v2.600h6.400V11z" fill="var(--text-2)" fill-rule="evenodd"/>',
  case: '<rect x="4" y="4" width="16" height="16" rx="3" fill="none" stroke="var(--case)" stroke-width="2.6"/><path d="M8 10h8M8 14h5" stroke="var(--case)" stroke-width="2.2"/>',
  hotline: '<path d="M6.5 3.5 10 4.6l.9 4.2-2.4 2a13 13 0 0 0 5 5l2-2.4 4.2.9 1.1 3.5c-1 1.9-2.6 2.9-4.6 2.7C9.4 19.7 4.3 14.6 3.6 7.9c0-2 1-3.5 2.9-4.4z" fill="var(--case)"/>',
  patrol: '<circle cx="12" cy="7" r="3.6" fill="none" stroke="var(--case)" stroke-width="2.2"/><path d="M5 20.5c0-4.6 2.9-7 7-7s7 2.4 7 7" fill="none" stroke="var(--case)" stroke-width="2.2"/>',
  video: '<path d="M14 12l8-5v10z" fill="var(--case)" opacity=".6"/><circle cx="9" cy="12" r="5" fill="none" stroke="var(--case)" stroke-width="2.4"/>',
  resident: '<path d="M4 20V10.5L12 4l8 6.5V20z" fill="none" stroke="var(--case)" stroke-width="2.4" stroke-linejoin="round"/><path d="M9.5 20v-5.5h5V20" fill="none" stroke="var(--case)" stroke-width="2"/>',
  superior: '<path d="M12 3v13M6 9l6-6 6 6" fill="none" stroke="var(--case)" stroke-width="2.6"/><path d="M5 20.5h14" stroke="var(--case)" stroke-width="2.6"/>',
  department: '<path d="M4 20.5h16M6 20V9h12v11M4.5 9 12 3.800 19.5 9z" fill="none" stroke="var(--case)" stroke-width="2.2" stroke-linejoin="round"/><path d="M10 12v5M14 12v5" stroke="var(--case)" stroke-width="2"/>',
  camera: '<path d="M12 12 22 5v14z" fill="var(--text-2)" opacity=".45"/><circle cx="9" cy="12" r="4.2" fill="var(--text-2)"/>',
  heat: '<path d="M7 3h10l5 9-5 9H7l-5-9z" fill="var(--warning)" fill-opacity=".38" stroke="var(--warning)"/>',
  trail: '<path d="M3 19c4-1 4-8 9-8s5-6 9-7" fill="none" stroke="var(--person)" stroke-width="2.6" stroke-linecap="round"/>',
  device: '<rect x="7" y="7" width="10" height="10" rx="2" fill="none" stroke="var(--text-3)" stroke-width="2"/>',
  component: '<rect x="6" y="6" width="12" height="12" fill="none" stroke="var(--text-2)" stroke-width="2"/><path d="M6 6l12 12" stroke="var(--text-2)" stroke-width="2"/>',
  network: '<path d="M3 17h7V7h11" fill="none" stroke="var(--text-2)" stroke-width="2.6"/><circle cx="10" cy="12" r="3.2" fill="var(--text-2)"/>',
  compound: '<path d="M3 20V9l5-3 5 3v11zM13 20v-8l4-2 4 2v8z" fill="none" stroke="var(--text-2)" stroke-width="2"/>',
  find: '<circle cx="10.5" cy="10.5" r="6.5" fill="none" stroke="var(--text-2)" stroke-width="2.4"/><path d="M15.5 15.5 21 21" stroke="var(--text-2)" stroke-width="2.4" stroke-linecap="round"/>',
  place: '<path d="M12 22s7-7.6 7-12.5A7 7 0 0 0 5 9.5C5 14.4 12 22 12 22z" fill="none" stroke="var(--text-2)" stroke-width="2"/><circle cx="12" cy="9.5" r="2.4" fill="var(--text-2)"/>',
  area: '<path d="M4 7l8-4 8 4v10l-8 4-8-4z" fill="none" stroke="var(--text-2)" stroke-width="2" stroke-dasharray="4 2.4"/>',
  building: '<path d="M5 21V6l7-3 7 3v15z" fill="none" stroke="var(--text-2)" stroke-width="2"/><path d="M9 10h6M9 14h6" stroke="var(--text-2)" stroke-width="2"/>',
};

/** The SVG of a shape as text, for marks that are made outside the components. */
export function shapeSvg(name: string): string {
  return `<svg class="sh" viewBox="0 0 24 24" aria-hidden="true">${SHAPES[name] ?? SHAPES.unknown}</svg>`;
}
