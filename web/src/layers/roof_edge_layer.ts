/** Draw the edges of roofs as one-pixel lines that buildings in front hide. */
import { Layer, project32, type DefaultProps, type LayerDataSource, type LayerProps, type UpdateParameters } from '@deck.gl/core';
import type { ShaderModule } from '@luma.gl/shadertools';
import { Model } from '@luma.gl/engine';

type EdgeUniforms = { colour: [number, number, number, number] };

const block = `\
layout(std140) uniform roofEdgeUniforms {
  vec4 colour;
} roofEdge;
`;

const roofEdgeUniforms = {
  name: 'roofEdge',
  vs: block,
  fs: block,
  uniformTypes: { colour: 'vec4<f32>' },
} as const satisfies ShaderModule<EdgeUniforms>;

const vs = `\
#version 300 es
#define SHADER_NAME roof-edge-vertex
in vec3 positions;
in vec3 positions64Low;
out float vNear;
void main(void) {
  gl_Position = project_position_to_clipspace(positions, positions64Low, vec3(0.), geometry.position);
  // haze: far edges fade; w is the distance in units of the camera's own
  vNear = clamp(2.2 - gl_Position.w / project.focalDistance * 1.15, 0., 1.);
  // a hair towards the eye, or the roof itself would hide its edge
  gl_Position.z -= .0006 * gl_Position.w;
}
`;

const fs = `\
#version 300 es
#define SHADER_NAME roof-edge-fragment
precision highp float;
in float vNear;
out vec4 fragColor;
void main(void) {
  fragColor = vec4(roofEdge.colour.rgb, roofEdge.colour.a * vNear);
}
`;

export interface RoofEdgeLayerProps extends LayerProps {
  /** Pairs of vertices: lon, lat (degrees), height (m). */
  data: LayerDataSource<unknown>;
  /** 0 to 255. */
  colour?: [number, number, number, number];
}

const defaultProps: DefaultProps<RoofEdgeLayerProps> = { colour: { type: 'array', value: [116, 131, 146, 215], compare: true } };

export class RoofEdgeLayer extends Layer<Required<RoofEdgeLayerProps>> {
  static override layerName = 'RoofEdgeLayer';
  static override defaultProps = defaultProps;

  declare state: { model?: Model };

  override getShaders() {
    return super.getShaders({ vs, fs, modules: [project32, roofEdgeUniforms] });
  }

  override initializeState(): void {
    this.getAttributeManager()!.add({ positions: { size: 3, type: 'float64', fp64: this.use64bitPositions(), accessor: 'getPosition' } });
  }

  override updateState(params: UpdateParameters<this>): void {
    super.updateState(params);
    if (this.state.model && !params.changeFlags.extensionsChanged) return;
    this.state.model?.destroy();
    this.state.model = new Model(this.context.device, {
      ...this.getShaders(),
      id: this.props.id,
      bufferLayout: this.getAttributeManager()!.getBufferLayouts(),
      topology: 'line-list',
      isInstanced: false,
    });
    this.getAttributeManager()!.invalidateAll();
  }

  override finalizeState(context: Parameters<Layer['finalizeState']>[0]): void {
    super.finalizeState(context);
    this.state.model?.destroy();
  }

  override draw(): void {
    const { model } = this.state;
    if (!model) return;
    const roofEdge: EdgeUniforms = { colour: this.props.colour.map((v) => v / 255) as EdgeUniforms['colour'] };
    model.shaderInputs.setProps({ roofEdge });
    model.setVertexCount(this.getNumInstances());
    model.draw(this.context.renderPass);
  }
}

type Ring = number[][];

/**
 * Vertices of the roof edges of footprints with heights, each edge once.
 *
 * Tiles cut buildings at their border; `onSeam` says of two points whether the edge between them is such a cut.
 */
export function roofEdges(footprints: { rings: Ring[]; heightM: number }[], onSeam: (a: number[], b: number[]) => boolean, limit: number): Float64Array {
  const out: number[] = [];
  const seen = new Set<string>();
  for (const { rings, heightM } of footprints)
    for (const ring of rings)
      for (let i = 0; i + 1 < ring.length; i++) {
        if (out.length >= limit * 6) return new Float64Array(out);
        const a = ring[i];
        const b = ring[i + 1];
        const key = `${Math.round((a[0] + b[0]) * 5e5)},${Math.round((a[1] + b[1]) * 5e5)},${Math.round(heightM)}`;
        if (seen.has(key) || onSeam(a, b)) continue;
        seen.add(key);
        out.push(a[0], a[1], heightM, b[0], b[1], heightM);
      }
  return new Float64Array(out);
}

/** Height between the lines on walls, m: about two storeys, so that they stay apart on screen. */
const FLOOR_STEP_M = 7;

/** The lines of floors on the walls of footprints, as the rings they would have at each step of height. */
export function floorLines(footprints: { rings: Ring[]; heightM: number }[], onSeam: (a: number[], b: number[]) => boolean, limit: number): Float64Array {
  const levels: { rings: Ring[]; heightM: number }[] = [];
  for (const f of footprints) for (let z = FLOOR_STEP_M; z < f.heightM - 3; z += FLOOR_STEP_M) levels.push({ rings: f.rings.slice(0, 1), heightM: z });
  return roofEdges(levels, onSeam, limit);
}

/** Tells edges that run along the border of a tile (with its buffer) of a zoom, in degrees. */
export function seamTest(zoom: number): (a: number[], b: number[]) => boolean {
  const n = 2 ** zoom;
  const buffer = 64 / 4096;
  const near = 1.5 / 4096;
  const tileX = (lon: number) => ((lon + 180) / 360) * n;
  const tileY = (lat: number) => ((1 - Math.asinh(Math.tan((lat * Math.PI) / 180)) / Math.PI) / 2) * n;
  const atCut = (t: number) => {
    const f = t - Math.floor(t);
    return Math.abs(f - buffer) < near || Math.abs(f - (1 - buffer)) < near;
  };
  return (a, b) => {
    const ax = tileX(a[0]);
    const bx = tileX(b[0]);
    if (Math.abs(ax - bx) < near && atCut(ax)) return true;
    const ay = tileY(a[1]);
    const by = tileY(b[1]);
    return Math.abs(ay - by) < near && atCut(ay);
  };
}
