/** Draw flat shapes without the light that only extruded ones need. */
import type { Layer } from '@deck.gl/core';
import { ColumnLayer, PolygonLayer, SolidPolygonLayer } from '@deck.gl/layers';
import type { ShaderModule } from '@luma.gl/shadertools';

type Shaders = ReturnType<SolidPolygonLayer['getShaders']>;

const LIT = new Set(['phongMaterial', 'gouraudMaterial']);

const same = 'vec3 lighting_getLightColor(vec3 colour, vec3 camera, vec3 position, vec3 normal) { return colour; }\n';

/**
 * Takes the place of deck.gl's materials. Their uniform blocks are declared in another layout than WebGL
 * reports, which luma.gl tells on the console for each page; a shape that lies flat has no use for them.
 */
const unlitMaterial = { name: 'unlitMaterial', vs: same, fs: same } as const satisfies ShaderModule;

function unlit(shaders: Shaders, extruded: boolean): Shaders {
  if (extruded) return shaders;
  const modules = (shaders.modules as ShaderModule[]).map((module) => (LIT.has(module.name) ? unlitMaterial : module));
  return { ...shaders, modules };
}

export class FlatColumnLayer extends ColumnLayer {
  static override layerName = 'FlatColumnLayer';

  override getShaders(): Shaders {
    return unlit(super.getShaders(), this.props.extruded);
  }
}

export class FlatSolidPolygonLayer extends SolidPolygonLayer {
  static override layerName = 'FlatSolidPolygonLayer';

  override getShaders(type: 'top' | 'side'): Shaders {
    return unlit(super.getShaders(type), this.props.extruded);
  }
}

export class FlatPolygonLayer extends PolygonLayer {
  static override layerName = 'FlatPolygonLayer';

  protected override getSubLayerClass<T extends Layer>(id: string, standard: new (...props: never[]) => T): never {
    return (id === 'fill' ? FlatSolidPolygonLayer : super.getSubLayerClass(id, standard as never)) as never;
  }
}

/** For layers that make the shapes themselves: which class they use for which part. */
export const FLAT_PARTS: Record<string, object> = {
  H3HexagonLayer: { 'hexagon-cell': { type: FlatColumnLayer }, 'hexagon-cell-hifi': { type: FlatPolygonLayer } },
  GeoJsonLayer: { 'polygons-fill': { type: FlatSolidPolygonLayer } },
};
