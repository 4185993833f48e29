import { cp, readdir } from 'node:fs/promises'
import path from 'node:path'
import { makeFolder } from '@khlong/core'
import { type Command, Option } from 'commander'
import { resolveAddressBook } from '../config/address-book.ts'
import { partNames } from '../config/part-names.ts'
import { readPipeline } from '../config/pipeline.ts'
import { KhlongError } from '../errors.ts'
import { checkPartSettings } from '../parts/part-settings.ts'
import { findReferencePipeline } from '../reference-pipeline.ts'
import { commandConfigOption, readClientProperties } from './client-properties.ts'

interface PipelineFlags {
  data?: string
  set: string[]
  demo?: boolean
  lan?: boolean
  open: boolean
}

/** Real systems that a flag puts in place of embedded parts. */
const engines = {
  mqtt: { value: 'url', key: 'url' },
  zookeeper: { value: 'servers', key: 'url' },
  kafka: { value: 'servers', key: 'bootstrap.servers' },
  mongodb: { value: 'url', key: 'url' },
  prometheus: { value: 'url', key: 'url' },
  grafana: { value: 'url', key: 'url' },
} as const

type EngineFlags = { readonly [Part in keyof typeof engines]?: string }

/** `--kafka k1:9092` is `--set kafka.bootstrap.servers=k1:9092`. */
function withEngines(flags: EngineFlags & { set: readonly string[] }): string[] {
  const parts = Object.keys(engines) as (keyof typeof engines)[]
  return [
    ...flags.set,
    ...parts.flatMap((part) => {
      const address = flags[part]
      return address === undefined
        ? []
        : [`${part}.${engines[part].key}=${JSON.stringify(address)}`]
    }),
  ]
}

/** `up`, `check`, `doctor`, `ready`, `init`, `import`. */
export function addPipelineCommands(program: Command): void {
  const setOption = (): Option =>
    new Option('--set <section.key=value>', 'override a setting of khlong.yml (repeatable)')
      .default([], 'none')
      .argParser((value: string, previous: string[]) => [...previous, value])

  const up = program
    .command('up')
    .description('run the pipeline of a folder')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'keep all data there')
    .option('--demo', 'lay khlong.demo.yml over khlong.yml (a fleet of sensors, short windows)')
    .option('--lan', 'open MQTT and the console to the local network, with logins')
    .option('--no-open', 'do not open the console in a browser')
    .addOption(setOption())
    .action(async (folder: string, flags: PipelineFlags & EngineFlags) => {
      // The platform is no other command's: 40 sources.
      const { runPipeline } = await import('./run-pipeline.ts')
      process.exitCode = await runPipeline({ folder, ...flags, set: withEngines(flags) })
    })

  const check = program
    .command('check')
    .description('check a pipeline folder; starts nothing')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'keep all data there')
    .option('--demo', 'lay khlong.demo.yml over khlong.yml')
    .option('--lan', 'as khlong up --lan would')
    .addOption(setOption())
    .action(async (folder: string, flags: PipelineFlags & EngineFlags) => {
      const pipeline = await readPipeline({ folder, ...flags, set: withEngines(flags) })
      const book = await resolveAddressBook(pipeline)
      await checkPartSettings(pipeline, book)
      for (const name of partNames) {
        const address = book.parts[name]
        const where =
          address.kind === 'embedded'
            ? Object.values(address.listeners).join(', ')
            : 'address' in address
              ? address.address
              : ''
        process.stdout.write(`${name.padEnd(12)}${address.kind.padEnd(10)}${where}\n`)
      }
      process.stdout.write(`data        ${pipeline.data}\n`)
    })

  for (const command of [up, check])
    for (const [part, { value, key }] of Object.entries(engines))
      command.option(`--${part} <${value}>`, `use a real one there: --set ${part}.${key}=…`)

  program
    .command('doctor')
    .description('say what runs, what takes space, what is wrong and what to do')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'where khlong up was told to keep its data')
    .option('--demo', 'lay khlong.demo.yml over khlong.yml')
    .addOption(commandConfigOption())
    .addOption(setOption())
    .action(
      async (
        folder: string,
        { commandConfig, ...flags }: PipelineFlags & { commandConfig?: string },
      ) => {
        const { diagnose } = await import('../doctor/doctor.ts')
        const { reportLines } = await import('../doctor/report.ts')
        const diagnosis = await diagnose({
          folder,
          ...flags,
          commandConfig: await readClientProperties(commandConfig),
        })
        const colour = process.stdout.isTTY === true
        process.stdout.write(`${reportLines(diagnosis, colour).join('\n')}\n`)
        if (diagnosis.findings.some(({ level }) => level === 'wrong')) process.exitCode = 1
      },
    )

  program
    .command('ready')
    .description('end with 0 where the pipeline of a folder runs and is ready, else with 1')
    .argument('[dir]', 'folder with khlong.yml', '.')
    .option('--data <dir>', 'where khlong up was told to keep its data')
    .action(async (folder: string, flags: { data?: string }) => {
      const { findRunningPipeline } = await import('../doctor/running-pipeline.ts')
      const state = await findRunningPipeline((await readPipeline({ folder, ...flags })).data)
      const isReady = state.kind === 'running' && state.snapshot.ready
      const said = state.kind === 'running' ? (isReady ? 'ready' : 'starting') : 'not running'
      process.stdout.write(`${said}\n`)
      if (!isReady) process.exitCode = 1
    })

  program
    .command('init')
    .description('make a pipeline folder from the reference pipeline')
    .argument('<dir>', 'a new or empty folder')
    .action(async (folder: string) => {
      await makeFolder(path.resolve(folder))
      if ((await readdir(folder)).length > 0)
        throw new KhlongError('KHLONG_USAGE', `${folder} is not empty; choose a new folder`)
      const template = await findReferencePipeline()
      await cp(template, folder, {
        recursive: true,
        filter: (source) => path.basename(source) !== 'data',
      })
      process.stdout.write(`made ${folder}; run it: npx khlong up ${folder} --demo\n`)
    })

  program
    .command('import')
    .description('make a pipeline folder from a project of the classic stack')
    .argument('<project>', 'folder with its compose file, configurations, connectors, dashboards')
    .argument('<dir>', 'a new or empty folder')
    .action(async (from: string, to: string) => {
      const { importProject } = await import('../import/import-project.ts')
      const notes = await importProject({ from, to })
      for (const { outcome, what, why } of notes)
        process.stdout.write(`${outcome.padEnd(9)} ${what.replace(/\s+/g, ' ')}: ${why}\n`)
      process.stdout.write(
        `made ${to}; IMPORT.md in it says the same. Run it: npx khlong up ${to}\n`,
      )
    })
}
