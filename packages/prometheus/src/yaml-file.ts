import { readFile } from 'node:fs/promises'
import { checkSettings, SettingsError } from '@khlong/core'
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'

/**
 * Reads a YAML file and checks it. `missing` says why a key at the top cannot be used, where it is
 * one of the real system's; `prepare` changes the values before they are checked.
 *
 * @throws SettingsError with file, line and key
 */
export async function readYaml<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
  missing: (key: string) => string | undefined,
  prepare: (written: unknown) => unknown = (written) => written,
): Promise<{ value: z.infer<Schema>; text: string }> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new SettingsError(`cannot read ${file}: ${(error as Error).message}`, { file })
  })
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const problem = document.errors[0]
  if (problem) {
    const { line } = lineCounter.linePos(problem.pos[0])
    throw new SettingsError(`${file}:${line}: ${problem.message}`, { file, line })
  }
  const line = (steps: readonly PropertyKey[]): number | undefined => {
    let node: unknown = document.contents
    let found: number | undefined
    for (const step of steps) {
      let position: number | undefined
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
        position = isScalar(pair?.key) ? pair.key.range?.[0] : undefined
        node = pair?.value
      } else if (isSeq(node)) {
        node = node.items[Number(step)]
        position = (node as { range?: [number, number, number] } | undefined)?.range?.[0]
      }
      if (position !== undefined) found = lineCounter.linePos(position).line
    }
    return found
  }
  const written = (document.toJS() ?? {}) as Record<string, unknown>
  for (const key of Object.keys(written)) {
    const why = missing(key)
    if (why) throw new SettingsError(`${file}:${line([key])}: ${key}: ${why}`, { file, key })
  }
  return {
    value: checkSettings(schema, prepare(written), { name: file, line }) as z.infer<Schema>,
    text,
  }
}
