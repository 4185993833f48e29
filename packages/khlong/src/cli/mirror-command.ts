import { type Command, Option } from 'commander'
import { KhlongError } from '../errors.ts'
import type { MirroredPart, MirrorTargets } from '../mirror/mirror.ts'
import { commandConfigOption, readClientProperties } from './client-properties.ts'
import { countArgument } from './count-argument.ts'

interface MirrorFlags {
  from: string
  to: string[]
  data?: string
  set: string[]
  verify?: boolean
  replicationFactor?: number
  commandConfig?: string
}

/** `mirror`: moves the data of embedded parts to real systems. */
export function addMirrorCommand(program: Command): void {
  program
    .command('mirror')
    .description('copy topics, groups, documents and series to real systems, to go on there')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .requiredOption('--from <embedded>', 'what is copied: embedded')
    .requiredOption(
      '--to <part=address...>',
      'where to: kafka=HOST:PORT mongodb=URL prometheus=URL, any of them',
    )
    .option('--verify', 'copy nothing; compare counts and checksums of what was copied')
    .option(
      '--replication-factor <n>',
      'of topics that are made; by default what the target gives them',
      countArgument,
    )
    .addOption(commandConfigOption())
    .option('--data <dir>', 'where khlong up was told to keep its data')
    .addOption(
      new Option('--set <section.key=value>', 'override a setting of khlong.yml (repeatable)')
        .default([], 'none')
        .argParser((value: string, previous: string[]) => [...previous, value]),
    )
    .action(async (folder: string, flags: MirrorFlags) => {
      if (flags.from !== 'embedded')
        throw new KhlongError(
          'KHLONG_USAGE',
          `--from: expected embedded, found ${flags.from}; between real systems their own tools copy`,
        )
      const { mirror, mirroredParts, verifyMirror } = await import('../mirror/mirror.ts')
      const { Progress } = await import('../mirror/progress.ts')
      const { makeLogger } = await import('./plain-logger.ts')
      const stop = new AbortController()
      process.once('SIGINT', () =>
        stop.abort(new KhlongError('KHLONG_MIRROR_IMPOSSIBLE', stoppedMessage)),
      )
      const options = {
        folder,
        ...(flags.data === undefined ? {} : { data: flags.data }),
        set: flags.set,
        to: targetsOf(flags.to, mirroredParts),
        replicationFactor: flags.replicationFactor,
        kafkaClient: await readClientProperties(flags.commandConfig),
        progress: new Progress(process.stdout),
        logger: makeLogger((line) => process.stderr.write(line), 'warn'),
        signal: stop.signal,
      }
      await (flags.verify ? verifyMirror(options) : mirror(options))
      if (flags.verify) process.stdout.write('all the same\n')
    })
}

const stoppedMessage = 'stopped; the same command goes on where it was'

function targetsOf(written: readonly string[], parts: readonly MirroredPart[]): MirrorTargets {
  const targets: { [Part in MirroredPart]?: string } = {}
  for (const text of written) {
    const equals = text.indexOf('=')
    const part = parts.find((name) => name === text.slice(0, equals))
    if (part === undefined || equals === text.length - 1)
      throw new KhlongError(
        'KHLONG_USAGE',
        `--to: expected ${parts.map((name) => `${name}=ADDRESS`).join(', ')}, found ${text}`,
      )
    targets[part] = text.slice(equals + 1)
  }
  return targets
}
