import { seen } from './state.js';

export class Rate {
  constructor(name) {
    this.name = name;
  }

  add(value, tags) {
    seen.samples.push({ metric: this.name, value: Number(value), tags });
  }
}
