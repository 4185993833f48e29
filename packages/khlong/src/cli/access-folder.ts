import { userInfo } from 'node:os'
import path from 'node:path'
import { AccessStore, AuditLog, isRole, type Role } from '@khlong/core/access'
import type { Command } from 'commander'
import { readPipeline } from '../config/pipeline.ts'
import { KhlongError } from '../errors.ts'

/** Where the users are: of a pipeline, or a folder by itself. */
export interface AccessFlags {
  pipeline: string
  data?: string
  access?: string
}

/** The flags that say which people are meant. */
export function addAccessOptions(command: Command): Command {
  return command
    .option('--pipeline <dir>', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'where khlong up was told to keep its data')
    .option('--access <dir>', 'the folder of users of a part that runs alone')
}

/** Opens the users for one command; a running pipeline sees a change within a second. */
export async function withUsers<Result>(
  flags: AccessFlags,
  use: (
    store: AccessStore,
    note: (action: string, name: string, detail?: string) => void,
  ) => Promise<Result>,
): Promise<Result> {
  const folder = flags.access ?? (await pipelineFolder(flags))
  const store = new AccessStore({ folder })
  const audit = new AuditLog({ folder, part: 'cli' })
  await store.open()
  try {
    return await use(store, (action, target, detail) =>
      audit.add({
        who: systemUser(),
        kind: 'command line',
        from: '',
        action,
        target,
        status: 0,
        ...(detail === undefined ? {} : { detail }),
      }),
    )
  } finally {
    await audit.flush()
    await store.close()
  }
}

/** Whose account of the computer this is; empty where it has no name. */
export function systemUser(): string {
  try {
    return userInfo().username
  } catch {
    return ''
  }
}

/** @throws KhlongError `KHLONG_USAGE` */
export function roleFlag(text: string): Role {
  if (isRole(text)) return text
  throw new KhlongError('KHLONG_USAGE', `expected administrator, editor or viewer, found ${text}`)
}

/** A moment as people read it; a dash where there is none. */
export function momentText(ms: number | null | undefined): string {
  return ms === undefined || ms === null ? '-' : new Date(ms).toISOString().slice(0, 16)
}

async function pipelineFolder(flags: AccessFlags): Promise<string> {
  const pipeline = await readPipeline({
    folder: flags.pipeline,
    ...(flags.data === undefined ? {} : { data: flags.data }),
  })
  return path.join(pipeline.data, 'access')
}
