import type { PartName } from '../config/part-names.ts'
import { SettingsTree } from '../config/settings-tree.ts'

/** The settings of a part that runs alone, from the command line's flags. */
export async function standaloneSettings(
  name: PartName,
  flags: {
    listen?: string
    bootstrapServer?: string
    url?: string
    fleet?: string
    data?: string
    set: readonly string[]
  },
): Promise<Record<string, unknown>> {
  const tree = new SettingsTree()
  for (const assignment of flags.set) await tree.assign(`${name}.${assignment}`)
  const written = (tree.value([name]) ?? {}) as Record<string, unknown>
  const { set: _, bootstrapServer, ...given } = flags
  return {
    ...given,
    ...(bootstrapServer === undefined ? {} : { 'bootstrap.servers': bootstrapServer }),
    ...written,
  }
}
