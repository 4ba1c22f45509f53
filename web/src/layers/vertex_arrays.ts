/** Give the vertex array of a model back with the model, which luma.gl 9.4 leaves out: layers come and go for days. */
import { Model } from '@luma.gl/engine';

const destroy = Model.prototype.destroy;

Model.prototype.destroy = function (this: Model): void {
  this.vertexArray.destroy();
  destroy.call(this);
};
