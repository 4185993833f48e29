import type { AlertmanagerConfig } from '../config.ts'
import type { HttpConfig, ReceiverConfig } from '../receiver-config.ts'
import { Discord } from './discord.ts'
import { Email } from './email.ts'
import type { Integration, IntegrationContext } from './integration.ts'
import { Line } from './line.ts'
import { Telegram } from './telegram.ts'
import { Webhook } from './webhook.ts'

/** Every way by which a receiver is told. */
export function integrationsOf(
  receiver: ReceiverConfig,
  { global, templates, folder }: AlertmanagerConfig,
): Integration[] {
  const context = (own?: { http_config?: HttpConfig | undefined }): IntegrationContext => ({
    templates,
    folder,
    http: own?.http_config ?? global.http_config,
  })
  return [
    ...receiver.webhook_configs.map((config, at) => new Webhook(config, at, context(config))),
    ...receiver.email_configs.map((config, at) => new Email(config, at, global, context())),
    ...receiver.telegram_configs.map(
      (config, at) => new Telegram(config, at, global.telegram_api_url, context(config)),
    ),
    ...receiver.discord_configs.map((config, at) => new Discord(config, at, context(config))),
    ...receiver.line_configs.map((config, at) => new Line(config, at, context(config))),
  ]
}
