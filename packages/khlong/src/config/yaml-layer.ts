import { SettingsError } from '@khlong/core'
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import type { SettingsLayer } from './settings-tree.ts'

/** @throws SettingsError where the text is not YAML, or not a map at the top. */
export function yamlLayer(name: string, text: string): SettingsLayer {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const problem = document.errors[0]
  if (problem) {
    const { line } = lineCounter.linePos(problem.pos[0])
    throw new SettingsError(`${name}:${line}: ${problem.message}`, { file: name, line })
  }
  const values: unknown = document.toJS() ?? {}
  if (typeof values !== 'object' || Array.isArray(values))
    throw new SettingsError(`${name}:1: expected sections such as mqtt: { listen: 1883 }`, {
      file: name,
      line: 1,
    })
  return {
    name,
    values: values as Record<string, unknown>,
    line: (path) => lineOf(document, lineCounter, path),
  }
}

function lineOf(
  document: Document,
  lineCounter: LineCounter,
  path: readonly PropertyKey[],
): number | undefined {
  let node: unknown = document.contents
  let line: number | undefined
  for (const step of path) {
    if (!isMap(node)) return line
    const pair = node.items.find(
      (item) => isScalar(item.key) && String(item.key.value) === String(step),
    )
    if (!pair) return line
    const start = isScalar(pair.key) ? pair.key.range?.[0] : undefined
    if (start !== undefined) line = lineCounter.linePos(start).line
    node = pair.value
  }
  return line
}
