/** Types of what the HTTP API answers about photographs of cases and pictures of cameras. */

/** `flags`: what of its claims does not fit the case; none when time and place do. */
export interface Photograph {
  id: number;
  case_id: number;
  moment: 'before' | 'during' | 'after' | 'evidence';
  added_at: string;
  taken_at: string | null;
  distance_m: number | null;
  flags: (
    | 'no_place' | 'far_away' | 'perhaps_gcj02' | 'no_time' | 'in_the_future' | 'long_before_case' | 'before_dispatch'
    | 'after_closing' | 'claims_differ'
  )[];
  place_check: 'match' | 'far' | 'perhaps_gcj02' | 'unknown';
  time_check: 'match' | 'wrong' | 'unknown';
  /** Since when whoever reported the case is shown it; null: they are not. */
  released_at: string | null;
  width_px: number;
  height_px: number;
  bytes: number;
  simulated: boolean;
}

/** How the stream of a camera does. */
export interface CameraStream {
  id: number;
  has_stream: boolean;
  /** Pictures are drawn by the server and show nothing real. */
  made_up: boolean;
  may_look: boolean;
  state: 'ok' | 'broken' | 'unknown' | null;
  reason: string | null;
  since: string | null;
  checked_at: string | null;
}

/** A picture that was taken: where it is fetched, until when. */
export interface CameraPicture {
  url: string;
  taken_at: string;
  until: string;
  simulated: boolean;
}

export interface Photographs {
  photographs: Photograph[];
  may_add: boolean;
}
