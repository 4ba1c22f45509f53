/** Write times of day as the desk shows them, in the zone of the city: pure. */

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string | undefined, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone}${JSON.stringify(options)}`;
  const held = formats.get(key) ?? new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options });
  formats.set(key, held);
  return held;
}

const DAY: Intl.DateTimeFormatOptions = { year: 'numeric', month: '2-digit', day: '2-digit' };

export function daySaid(zone: string | undefined, at: number): string {
  const [day, month, year] = format(zone, DAY).format(at).split('/');
  return `${year}-${month}-${day}`;
}

export function clockSaid(zone: string | undefined, at: number, seconds = false): string {
  return format(zone, { hour: '2-digit', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) }).format(at);
}

/** A day without its year where that is the present one. */
export function dateSaid(zone: string | undefined, at: number, now: number): string {
  const day = daySaid(zone, at);
  return day.slice(0, 4) === daySaid(zone, now).slice(0, 4) ? day.slice(5) : day;
}

/** The time of day; of another day with its date before it. */
export function whenSaid(zone: string | undefined, at: number, now: number, seconds = false): string {
  const clock = clockSaid(zone, at, seconds);
  const day = daySaid(zone, at);
  return day === daySaid(zone, now) ? clock : `${dateSaid(zone, at, now)} ${clock.slice(0, 5)}`;
}

/** How far a zone is ahead of UTC at a time, ms. */
function ahead(zone: string | undefined, at: number): number {
  const parts = Object.fromEntries(format(zone, { ...DAY, hour: '2-digit', minute: '2-digit', second: '2-digit' }).formatToParts(at).map((p) => [p.type, Number(p.value)]));
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(at / 1000) * 1000;
}

/** A time as a field of the browser shows it, in the zone of the city. */
export function localInput(zone: string | undefined, iso: string | undefined): string {
  if (!iso) return '';
  const at = Date.parse(iso);
  return Number.isNaN(at) ? '' : new Date(at + ahead(zone, at)).toISOString().slice(0, 16);
}

/** What somebody put into such a field, as a time; undefined while it is none. */
export function fromLocalInput(zone: string | undefined, text: string): string | undefined {
  const local = Date.parse(`${text}Z`);
  return Number.isNaN(local) ? undefined : new Date(local - ahead(zone, local - ahead(zone, local))).toISOString();
}
