import { type Notification, statusOf } from '../notification.ts'
import type { DiscordConfig } from '../receiver-config.ts'
import {
  cut,
  fillText,
  type Integration,
  type IntegrationContext,
  postJson,
  readSecret,
} from './integration.ts'

const titleCharactersMax = 256
const descriptionCharactersMax = 4_096
const contentCharactersMax = 2_000
const colours = { firing: 0x992d22, resolved: 0x2ecc71 } as const

/** A message of a Discord webhook. */
export class Discord implements Integration {
  readonly kind = 'discord'
  readonly index: number
  readonly sendResolved: boolean
  readonly #config: DiscordConfig
  readonly #context: IntegrationContext

  constructor(config: DiscordConfig, index: number, context: IntegrationContext) {
    this.index = index
    this.sendResolved = config.send_resolved
    this.#config = config
    this.#context = context
  }

  async notify(notification: Notification, signal: AbortSignal): Promise<void> {
    const config = this.#config
    const url = await readSecret(this.#context, config.webhook_url, config.webhook_url_file)
    const fill = (text: string, charactersMax: number): string =>
      cut(fillText(this.#context, text, notification), charactersMax)
    await postJson(
      this.#context,
      {
        url,
        body: {
          content: fill(config.content, contentCharactersMax),
          embeds: [
            {
              title: fill(config.title, titleCharactersMax),
              description: fill(config.message, descriptionCharactersMax),
              color: colours[statusOf(notification)],
            },
          ],
          ...(config.username === '' ? {} : { username: config.username }),
          ...(config.avatar_url === '' ? {} : { avatar_url: config.avatar_url }),
          // Nobody is woken by an @everyone that stands in a label.
          allowed_mentions: { parse: [] },
        },
        secrets: [url],
      },
      signal,
    )
  }
}
