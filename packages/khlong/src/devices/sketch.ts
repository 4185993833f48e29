import { KhlongError } from '../errors.ts'
import type { BrokerPlace } from './broker-place.ts'
import type { Device } from './device.ts'
import { arduinoSketch, micropythonSketch } from './sketches-for-boards.ts'
import { nodeSketch, pythonSketch } from './sketches-for-computers.ts'

/** Where a sketch connects to, and as whom. */
export interface SketchFacts extends BrokerPlace {
  readonly device: Device
  readonly secret: string
}

/** What a sketch can be made for. */
export const sketchKinds = ['esp32', 'micropython', 'python', 'node'] as const
export type SketchKind = (typeof sketchKinds)[number]

const sketches: Record<SketchKind, (facts: SketchFacts) => string> = {
  esp32: arduinoSketch,
  micropython: micropythonSketch,
  python: pythonSketch,
  node: nodeSketch,
}

/** A whole program that sends the frames of a device and answers its commands. */
export function makeSketch(kind: SketchKind, facts: SketchFacts): string {
  return sketches[kind](facts)
}

/** The program for each of what there are sketches for. */
export function makeSketches(facts: SketchFacts): Record<SketchKind, string> {
  return {
    esp32: makeSketch('esp32', facts),
    micropython: makeSketch('micropython', facts),
    python: makeSketch('python', facts),
    node: makeSketch('node', facts),
  }
}

/** @throws KhlongError `KHLONG_USAGE` */
export function sketchKind(text: string): SketchKind {
  const kind = sketchKinds.find((each) => each === text)
  if (kind) return kind
  throw new KhlongError('KHLONG_USAGE', `expected ${sketchKinds.join(', ')}, found ${text}`)
}
