import { pathToFileURL } from 'node:url'
import { describeError, moduleFiles } from '@khlong/core'
import { ConfigSpec } from './config/spec.ts'
import { ConnectError } from './errors.ts'
import type { ConnectorPlugin } from './plugin.ts'

/** A file of the folder that gives no connector, and why. */
export interface PluginProblem {
  readonly file: string
  readonly problem: string
}

/**
 * The connectors of a folder: each file's default export is one, or a list of them. Subfolders hold
 * what files share, and tests are left alone. A file that cannot be used keeps no other from it.
 *
 * @throws ConnectError `CONNECT_CONFIG` where there is no such folder
 */
export async function loadUserPlugins(
  folder: string,
): Promise<{ plugins: ConnectorPlugin[]; problems: PluginProblem[] }> {
  const plugins: ConnectorPlugin[] = []
  const problems: PluginProblem[] = []
  const files = await moduleFiles(
    folder,
    (root, cause) =>
      new ConnectError('CONNECT_CONFIG', `there is no folder ${root} (plugins)`, { cause }),
  )
  for (const file of files)
    try {
      const { default: exported } = (await import(pathToFileURL(file).href)) as {
        default?: unknown
      }
      for (const one of [exported].flat()) {
        const plugin = checked(one)
        if (plugins.some(({ className }) => className === plugin.className))
          throw new Error(`there is another connector with the class name ${plugin.className}`)
        plugins.push(plugin)
      }
    } catch (error) {
      problems.push({ file, problem: describeError(error) })
    }
  return { plugins, problems }
}

/** @throws Error with what is missing of a connector. */
function checked(exported: unknown): ConnectorPlugin {
  if (typeof exported !== 'object' || exported === null)
    throw new Error(
      'expected `export default defineSource({…})` or `defineSink({…})`; modules that are no connectors belong into a subfolder',
    )
  const { kind, className, version, spec, describe, createTask, topics } = exported as Partial<
    Record<string, unknown>
  >
  const missing = [
    kind !== 'source' && kind !== 'sink' && "kind, which is 'source' or 'sink'",
    typeof className !== 'string' && 'className',
    typeof version !== 'string' && 'version',
    !(spec instanceof ConfigSpec) && 'spec, which is a ConfigSpec',
    typeof describe !== 'function' && 'describe(config)',
    typeof createTask !== 'function' && 'createTask(config, context)',
    kind === 'source' && typeof topics !== 'function' && 'topics(config)',
  ].find((problem) => problem !== false)
  if (missing) throw new Error(`${String(className ?? 'the connector')} has no ${missing}`)
  return exported as ConnectorPlugin
}
