import type { Clock, Logger, TimerHandle } from '@khlong/core'
import { describeError } from '@khlong/core'
import type { PrometheusConfig, ScrapeConfig } from '../config.ts'
import type { NewSample } from '../storage/samples.ts'
import { discoverTargets } from './discovery.ts'
import { Target } from './target.ts'

const discoverEveryMs = 5_000

export interface ScrapeManagerOptions {
  store(samples: readonly NewSample[]): Promise<void>
  hosts: Readonly<Record<string, string>>
  discoveryFolder: string | undefined
  clock: Clock
  logger: Logger
}

interface RunningTarget {
  readonly target: Target
  timer: TimerHandle | undefined
  scraping: Promise<void> | undefined
}

/** One job: its targets, as discovery finds them. */
class Job {
  readonly config: ScrapeConfig
  readonly running = new Map<string, RunningTarget>()
  dropped: Readonly<Record<string, string>>[] = []
  constructor(config: ScrapeConfig) {
    this.config = config
  }
}

/** Scrapes the targets of all jobs, each at its own interval. */
export class ScrapeManager {
  readonly #options: ScrapeManagerOptions
  readonly #jobs: Job[] = []
  #config: PrometheusConfig | undefined
  #timer: TimerHandle | undefined
  #stopped = false
  /** Samples that each job has scraped since the start, also before its configuration was read again. */
  readonly #samplesScraped = new Map<string, number>()
  scrapeFailures = 0

  constructor(options: ScrapeManagerOptions) {
    this.#options = options
  }

  /** Starts with a configuration; targets of one before are left. */
  async apply(config: PrometheusConfig): Promise<void> {
    for (const job of this.#jobs) for (const running of job.running.values()) this.#halt(running)
    this.#jobs.length = 0
    this.#config = config
    for (const scrape of config.scrapes) this.#jobs.push(new Job(scrape))
    await this.#discover()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    const scraping = this.#jobs
      .flatMap((job) => [...job.running.values()])
      .map((running) => {
        this.#halt(running)
        return running.scraping
      })
    await Promise.all(scraping)
  }

  /** Active targets with their job's name. */
  active(): { job: string; target: Target }[] {
    return this.#jobs.flatMap((job) =>
      [...job.running.values()].map(({ target }) => ({ job: job.config.job_name, target })),
    )
  }
  /** Labels of targets that relabelling dropped. */
  dropped(): Readonly<Record<string, string>>[] {
    return this.#jobs.flatMap((job) => job.dropped)
  }

  samplesScraped(job: string): number {
    return this.#samplesScraped.get(job) ?? 0
  }

  async #discover(): Promise<void> {
    if (this.#timer) this.#options.clock.clearTimer(this.#timer)
    for (const job of this.#jobs) await this.#discoverJob(job)
    if (!this.#stopped)
      this.#timer = this.#options.clock.setTimer(() => void this.#discover(), discoverEveryMs)
  }

  async #discoverJob(job: Job): Promise<void> {
    const { global, folder } = this.#config!
    const { config } = job
    const intervalMs = config.scrape_interval ?? global.scrape_interval
    const timeoutMs = Math.min(config.scrape_timeout ?? global.scrape_timeout, intervalMs)
    const { hosts, logger, discoveryFolder, clock } = this.#options
    const found = new Map<string, Target>()
    const dropped: Readonly<Record<string, string>>[] = []
    try {
      for (const discovered of await discoverTargets(config, { folder, discoveryFolder })) {
        const target = Target.from(discovered, { config, intervalMs, timeoutMs, hosts })
        if (target) found.set(target.key, target)
        else dropped.push(discovered)
      }
    } catch (error) {
      logger.warn(
        { job: config.job_name, reason: describeError(error) },
        'discovery failed; its last targets stay',
      )
      return
    }
    if (this.#stopped || !this.#jobs.includes(job)) return
    job.dropped = dropped
    for (const [key, running] of job.running)
      if (!found.has(key)) {
        job.running.delete(key)
        this.#halt(running)
        await this.#store(running.target.end(clock.nowMs()))
      }
    for (const [key, target] of found)
      if (!job.running.has(key)) {
        const running: RunningTarget = { target, timer: undefined, scraping: undefined }
        job.running.set(key, running)
        this.#scrape(config.job_name, running)
      }
  }

  #scrape(job: string, running: RunningTarget): void {
    const { clock } = this.#options
    const startMs = clock.nowMs()
    running.scraping = this.#scrapeOnce(job, running.target, startMs).finally(() => {
      running.scraping = undefined
      if (running.timer === halted || this.#stopped) return
      const nextInMs = Math.max(1, startMs + running.target.intervalMs - clock.nowMs())
      running.timer = clock.setTimer(() => this.#scrape(job, running), nextInMs)
    })
  }

  async #scrapeOnce(job: string, target: Target, nowMs: number): Promise<void> {
    const samples = await target.scrape(nowMs)
    if (target.health.health === 'down') this.scrapeFailures++
    this.#samplesScraped.set(job, this.samplesScraped(job) + samples.length)
    await this.#store(samples)
  }

  async #store(samples: readonly NewSample[]): Promise<void> {
    try {
      await this.#options.store(samples)
    } catch (error) {
      this.#options.logger.error({ err: error }, 'samples could not be stored')
    }
  }

  #halt(running: RunningTarget): void {
    if (running.timer && running.timer !== halted) this.#options.clock.clearTimer(running.timer)
    running.timer = halted
  }
}

/** Stands in place of a timer once a target is not to be scraped again. */
const halted: TimerHandle = {}
