/** Draw each device as one point whose shape and colour follow from its state byte in the shader. */
import { Layer, picking, project32, type Accessor, type DefaultProps, type LayerDataSource, type LayerProps, type UpdateParameters } from '@deck.gl/core';
import type { ShaderModule } from '@luma.gl/shadertools';
import { Model } from '@luma.gl/engine';
import { PALETTES, hex, statePalette, type Rgb } from '../look/palette.ts';

type Rgba = [number, number, number, number];

type PointUniforms = {
  colour0: Rgba;
  colour1: Rgba;
  colour2: Rgba;
  colour3: Rgba;
  colour4: Rgba;
  colour5: Rgba;
  halo: Rgba;
  sizes: Rgba;
  sizes2: Rgba;
  view: Rgba;
};

// luma reads uniform blocks line by line: one field a line
const block = `\
layout(std140) uniform devicePointUniforms {
  vec4 colour0;
  vec4 colour1;
  vec4 colour2;
  vec4 colour3;
  vec4 colour4;
  vec4 colour5;
  vec4 halo;
  vec4 sizes;
  vec4 sizes2;
  vec4 view;
} devicePoint;
`;

const devicePointUniforms = {
  name: 'devicePoint',
  vs: block,
  fs: block,
  uniformTypes: {
    colour0: 'vec4<f32>',
    colour1: 'vec4<f32>',
    colour2: 'vec4<f32>',
    colour3: 'vec4<f32>',
    colour4: 'vec4<f32>',
    colour5: 'vec4<f32>',
    halo: 'vec4<f32>',
    sizes: 'vec4<f32>',
    sizes2: 'vec4<f32>',
    view: 'vec4<f32>',
  },
} as const satisfies ShaderModule<PointUniforms>;

/* halo.w: all states shown as unknown (1) because the feed is dead. sizes2.z: 1 draws a person, 2 a vehicle. sizes2.w: px per CSS px. view.x: bearing of the map, rad. */
const vs = `\
#version 300 es
#define SHADER_NAME device-point-vertex
in vec3 positions;
in vec3 positions64Low;
in float devState;
in float heading;
out float vTurn;
out vec4 vColour;
flat out int vState;
out float vSize;

void main(void) {
  int state = int(devState * 255. + .5);
  if (devicePoint.halo.w > .5) state = 1;
  vState = state;
  vTurn = heading - devicePoint.view.x;
  float size = devicePoint.sizes.x;
  vec4 colour = devicePoint.colour0;
  if (state == 1) { size = devicePoint.sizes.y; colour = devicePoint.colour1; }
  else if (state == 2) { size = devicePoint.sizes.z; colour = devicePoint.colour2; }
  else if (state == 3) { size = devicePoint.sizes.w; colour = devicePoint.colour3; }
  else if (state == 4) { size = devicePoint.sizes2.x; colour = devicePoint.colour4; }
  else if (state == 5) { size = devicePoint.sizes2.y; colour = devicePoint.colour5; }
  geometry.worldPosition = positions;
  geometry.pickingColor = picking_getPickingColorFromIndex(float(gl_VertexID));
  gl_Position = project_position_to_clipspace(positions, positions64Low, vec3(0.), geometry.position);
  DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
  // the worst lies on top wherever it stands
  gl_Position.z = gl_Position.w * (.9 - .12 * float(state));
  vSize = size * devicePoint.sizes2.w;
  gl_PointSize = vSize;
  vColour = vec4(colour.rgb, colour.a * layer.opacity);
  DECKGL_FILTER_COLOR(vColour, geometry);
}
`;

const fs = `\
#version 300 es
#define SHADER_NAME device-point-fragment
precision highp float;
in vec4 vColour;
flat in int vState;
in float vSize;
in float vTurn;
out vec4 fragColor;

float box(vec2 p, vec2 b) {
  vec2 d = abs(p) - b;
  return length(max(d, 0.)) + min(max(d.x, d.y), 0.);
}

// signed distances in units of the half size; below 0 is inside
float dotShape(vec2 p) { return length(p) - .62; }
float ring(vec2 p) {
  float a = atan(p.y, p.x);
  return max(abs(length(p) - .66) - .17, .32 - abs(fract(a * 1.2732) - .5) * 2. - .55);
}
float crossShape(vec2 p) {
  vec2 q = vec2(p.x + p.y, p.x - p.y) * .7071;
  return min(box(q, vec2(.92, .17)), box(q, vec2(.17, .92)));
}
float triangle(vec2 p) {
  return max(abs(p.x) * .866 + (-p.y) * .5 - .42 + .02, p.y - .66);
}
float diamond(vec2 p, float r) { return (abs(p.x) + abs(p.y) - r) * .7071; }
float doubleDiamond(vec2 p) { return min(abs(diamond(p, .84)) - .07, diamond(p, .5)); }
float person(vec2 p) {
  float head = length(p - vec2(0., -.42)) - .32;
  float body = max(length(p - vec2(0., .78)) - .68, p.y - .78);
  return min(head, body);
}
// seen from above, its nose up the screen when it goes that way
float vehicle(vec2 at) {
  vec2 p = vec2(at.x * cos(vTurn) + at.y * sin(vTurn), at.y * cos(vTurn) - at.x * sin(vTurn));
  float hull = box(p - vec2(0., .26), vec2(.3, .42)) - .12;
  float nose = max(abs(p.x) * .84 - (p.y + .96) * .54, p.y);
  float pane = box(p - vec2(0., -.04), vec2(.22, .07)) - .04;
  return max(min(hull, nose), -pane);
}

void main(void) {
  vec2 p = gl_PointCoord * 2. - 1.;
  float d;
  if (devicePoint.sizes2.z > 1.5) d = vehicle(p);
  else if (devicePoint.sizes2.z > .5) d = person(p);
  else if (vState == 0) d = dotShape(p);
  else if (vState == 1) d = ring(p);
  else if (vState == 2) d = crossShape(p);
  else if (vState == 3) d = triangle(p);
  else if (vState == 4) d = diamond(p, .84);
  else d = doubleDiamond(p);
  float soft = 2. / vSize;
  float inside = 1. - smoothstep(-soft * .5, soft * .5, d);
  float halo = 1. - smoothstep(0., .2 + soft, d);
  float alpha = max(inside, halo * .72) * vColour.a;
  if (alpha < .06) discard;
  fragColor = vec4(mix(devicePoint.halo.rgb, vColour.rgb, inside), alpha);
  DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;

export interface DevicePointLayerProps extends LayerProps {
  data: LayerDataSource<unknown>;
  /** Six colours by state code. */
  palette?: Rgb[];
  /** Six diameters by state code, CSS px. */
  sizes?: number[];
  halo?: Rgb;
  /** Colour of people. */
  person?: Rgb;
  /** Colour of vehicles about which there is nothing to say. */
  vehicle?: Rgb;
  /** The way it goes, clockwise from north, rad; vehicles alone show it. */
  getHeading?: Accessor<unknown, number>;
  shape?: 'state' | 'person' | 'vehicle';
  /** Factor on the sizes: the wall's rem over 20 px. */
  sizeScale?: number;
  /** Show every device as unknown: the feed is dead. */
  dead?: boolean;
}

/** Diameter of a person, CSS px. */
const PERSON_PX = 19;
const VEHICLE_PX = 21;
const KIND_OF_SHAPE = { state: 0, person: 1, vehicle: 2 };

/** Opacity of the neutral dots: many of them, none of them news. */
const NORMAL_ALPHA = 0.9;

const defaultProps: DefaultProps<DevicePointLayerProps> = {
  palette: { type: 'array', value: statePalette(PALETTES.dark), compare: true },
  sizes: { type: 'array', value: [6.5, 9.5, 10, 11.5, 12, 13.5], compare: true },
  halo: { type: 'array', value: hex(PALETTES.dark.halo), compare: true },
  person: { type: 'array', value: hex(PALETTES.dark.person), compare: true },
  getHeading: { type: 'accessor', value: 0 },
  vehicle: { type: 'array', value: hex(PALETTES.dark.text2), compare: true },
  shape: 'state',
  sizeScale: 1,
  dead: false,
};

export class DevicePointLayer extends Layer<Required<DevicePointLayerProps>> {
  static override layerName = 'DevicePointLayer';
  static override defaultProps = defaultProps;

  declare state: { model?: Model };

  override getShaders() {
    return super.getShaders({ vs, fs, modules: [project32, picking, devicePointUniforms] });
  }

  override initializeState(): void {
    this.getAttributeManager()!.add({
      positions: { size: 3, type: 'float64', fp64: this.use64bitPositions(), accessor: 'getPosition' },
      devState: { size: 1, type: 'unorm8', accessor: 'getDevState', defaultValue: 0 },
      heading: { size: 1, type: 'float32', accessor: 'getHeading', defaultValue: 0 },
    });
  }

  override updateState(params: UpdateParameters<this>): void {
    super.updateState(params);
    if (!this.state.model || params.changeFlags.extensionsChanged) {
      this.state.model?.destroy();
      this.state.model = new Model(this.context.device, {
        ...this.getShaders(),
        id: this.props.id,
        bufferLayout: this.getAttributeManager()!.getBufferLayouts(),
        topology: 'point-list',
        isInstanced: false,
      });
      this.getAttributeManager()!.invalidateAll();
    }
  }

  override finalizeState(context: Parameters<Layer['finalizeState']>[0]): void {
    super.finalizeState(context);
    this.state.model?.destroy();
  }

  override draw(): void {
    const { palette, sizes, halo, shape, sizeScale, dead } = this.props;
    const { model } = this.state;
    if (!model) return;
    const colour = (i: number): Rgba => [palette[i][0] / 255, palette[i][1] / 255, palette[i][2] / 255, i === 0 && shape === 'state' ? NORMAL_ALPHA : 1];
    const ratio = this.context.device.canvasContext?.cssToDeviceRatio() ?? window.devicePixelRatio;
    // points grow a little as one comes nearer
    const near = Math.max(0.62, Math.min(1.25, 0.7 + 0.3 * (this.context.viewport.zoom - 15)));
    const size = (i: number) => (shape === 'person' ? PERSON_PX : shape === 'vehicle' ? VEHICLE_PX : sizes[i]);
    const calm: Rgba = [...(this.props.vehicle.map((v) => v / 255) as Rgb), 1];
    const person: Rgba = [...(this.props.person.map((v) => v / 255) as Rgb), 1];
    const devicePoint: PointUniforms = {
      colour0: shape === 'person' ? person : shape === 'vehicle' ? calm : colour(0),
      colour1: colour(1),
      colour2: colour(2),
      colour3: colour(3),
      colour4: colour(4),
      colour5: colour(5),
      halo: [halo[0] / 255, halo[1] / 255, halo[2] / 255, dead ? 1 : 0],
      sizes: [size(0), size(1), size(2), size(3)],
      sizes2: [size(4), size(5), KIND_OF_SHAPE[shape], sizeScale * ratio * near],
      view: [((this.context.viewport as { bearing?: number }).bearing ?? 0) * (Math.PI / 180), 0, 0, 0],
    };
    model.shaderInputs.setProps({ devicePoint });
    model.setVertexCount(this.getNumInstances());
    model.draw(this.context.renderPass);
  }
}
