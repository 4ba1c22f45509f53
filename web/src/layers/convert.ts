/** Turn the deck.gl JSON of /api/layers into layers, data by name. */
import { COORDINATE_SYSTEM, type Layer } from '@deck.gl/core';
import { H3HexagonLayer, TripsLayer } from '@deck.gl/geo-layers';
import { JSONConverter } from '@deck.gl/json';
import { GeoJsonLayer, IconLayer, LineLayer, PathLayer, ScatterplotLayer, TextLayer } from '@deck.gl/layers';
import { hex, statePalette, type Tokens } from '../look/palette.ts';
import { DevicePointLayer } from './device_point_layer.ts';
import { covered, faded, isDated, type Dated } from './fade.ts';
import { extras, problem, type ClassName, type LayerExtras } from './spec.ts';
import { FLAT_PARTS, FlatPolygonLayer, FlatSolidPolygonLayer } from './unlit.ts';

type Props = Record<string, unknown>;

const CLASSES: Record<ClassName, unknown> = {
  DevicePointLayer,
  H3HexagonLayer,
  TripsLayer,
  PathLayer,
  ScatterplotLayer,
  PolygonLayer: FlatPolygonLayer,
  SolidPolygonLayer: FlatSolidPolygonLayer,
  LineLayer,
  TextLayer,
  GeoJsonLayer,
  IconLayer,
};

export interface Sources {
  /** Data by its declared string; null: nothing to draw yet. */
  resolve(data: string): unknown;
  /** Props the page lays over the declared ones. */
  overlay(x: LayerExtras): Props;
  select(topic: string, info: unknown): void;
}

export function makeConverter(sources: Sources, tokens: Tokens): (spec: Props) => Layer | null {
  const converter = new JSONConverter({
    configuration: {
      classes: CLASSES as never,
      enumerations: { COORDINATE_SYSTEM },
      constants: {
        STATE_PALETTE: statePalette(tokens),
        PERSON: hex(tokens.person),
        WARNING: hex(tokens.warning),
        ALARM: hex(tokens.alarm),
        CRITICAL: hex(tokens.critical),
        FOCUS: hex(tokens.focus),
        TEXT_2: hex(tokens.text2),
        CASE: hex(tokens.case),
      },
      functions: { select: ({ topic }: { topic: string }) => (info: unknown) => sources.select(topic, info) },
    },
    onJSONChange: () => undefined,
  });
  // expressions and constants are turned into functions once; only the data changes afterwards
  const converted = new Map<Props, Layer>();
  return (spec) => {
    if (problem(spec)) return null;
    const x = extras(spec);
    const data = x.data === null ? spec.data : sources.resolve(x.data);
    if (data === null) return null;
    let base = converted.get(spec);
    if (!base) {
      const { data: _dropped, refreshS: _r, toggle: _t, ...declared } = spec;
      const result = converter.convert({ layers: [{ ...declared, data: [] }] }) as { layers: Layer[] };
      base = result.layers[0];
      if (!base) return null;
      converted.set(spec, base);
    }
    const Class = base.constructor as new (...props: object[]) => Layer;
    return new Class(base.props, { data, ...parts(x.type), ...aged(x.type, base, data), ...sources.overlay(x) });
  };
}

function parts(type: string): Props {
  return type in FLAT_PARTS ? { _subLayerProps: FLAT_PARTS[type] } : {};
}

/** Paths whose records carry times fade with age. */
function aged(type: string, base: Layer, data: unknown): Props {
  const colour = (base.props as unknown as Props).getColor;
  if (type !== 'PathLayer' || !Array.isArray(colour) || !isDated(data)) return {};
  const time = covered(data);
  return { getColor: (trail: Dated) => faded(trail, colour as number[], time) };
}
