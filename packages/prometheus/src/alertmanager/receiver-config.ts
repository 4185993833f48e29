import { z } from 'zod'
import { duration } from '../config.ts'

/** A key of Alertmanager's that is known and not here yet. */
const notYet: z.ZodOptional<z.ZodNever> = z.never({ error: 'not supported yet' }).optional()

/** How HTTP requests are made. */
export interface HttpConfig {
  readonly basic_auth?: BasicAuth | undefined
  readonly authorization?: Authorization | undefined
  readonly follow_redirects: boolean
}

interface BasicAuth {
  readonly username: string
  readonly password: string
  readonly password_file?: string | undefined
}

interface Authorization {
  readonly type: string
  readonly credentials?: string | undefined
  readonly credentials_file?: string | undefined
}

interface TlsConfig {
  readonly ca_file?: string | undefined
  readonly server_name?: string | undefined
  readonly insecure_skip_verify: boolean
}

interface OverHttp {
  readonly http_config?: HttpConfig | undefined
  readonly send_resolved: boolean
}

export interface WebhookConfig extends OverHttp {
  readonly url?: string | undefined
  readonly url_file?: string | undefined
  readonly max_alerts: number
  /** Milliseconds; 0 is no limit of its own. */
  readonly timeout: number
}

export interface EmailConfig {
  readonly send_resolved: boolean
  readonly to: string
  readonly from?: string | undefined
  readonly hello?: string | undefined
  readonly smarthost?: string | undefined
  readonly auth_username?: string | undefined
  readonly auth_password?: string | undefined
  readonly auth_password_file?: string | undefined
  readonly require_tls?: boolean | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly html: string
  readonly text: string
  readonly tls_config?: TlsConfig | undefined
}

export interface TelegramConfig extends OverHttp {
  readonly api_url?: string | undefined
  readonly bot_token?: string | undefined
  readonly bot_token_file?: string | undefined
  readonly chat_id: number
  readonly message_thread_id?: number | undefined
  readonly message: string
  readonly disable_notifications: boolean
  readonly parse_mode: 'HTML' | 'Markdown' | 'MarkdownV2' | ''
}

export interface DiscordConfig extends OverHttp {
  readonly webhook_url?: string | undefined
  readonly webhook_url_file?: string | undefined
  readonly title: string
  readonly message: string
  readonly content: string
  readonly username: string
  readonly avatar_url: string
}

export interface LineConfig extends OverHttp {
  readonly api_url: string
  readonly channel_access_token?: string | undefined
  readonly channel_access_token_file?: string | undefined
  readonly to?: string | undefined
  readonly message: string
}

/** A receiver with every way to tell it. */
export interface ReceiverConfig {
  readonly name: string
  readonly webhook_configs: readonly WebhookConfig[]
  readonly email_configs: readonly EmailConfig[]
  readonly telegram_configs: readonly TelegramConfig[]
  readonly discord_configs: readonly DiscordConfig[]
  readonly line_configs: readonly LineConfig[]
}

/** What holds for all receivers; durations in milliseconds. */
export interface GlobalConfig {
  readonly resolve_timeout: number
  readonly http_config?: HttpConfig | undefined
  readonly smtp_from?: string | undefined
  readonly smtp_hello: string
  readonly smtp_smarthost?: string | undefined
  readonly smtp_auth_username?: string | undefined
  readonly smtp_auth_password?: string | undefined
  readonly smtp_auth_password_file?: string | undefined
  readonly smtp_require_tls: boolean
  readonly smtp_tls_config?: TlsConfig | undefined
  readonly telegram_api_url: string
}

const httpConfig = z.strictObject({
  basic_auth: z
    .strictObject({
      username: z.string().default(''),
      password: z.string().default(''),
      password_file: z.string().optional(),
    })
    .optional(),
  authorization: z
    .strictObject({
      type: z.string().default('Bearer'),
      credentials: z.string().optional(),
      credentials_file: z.string().optional(),
    })
    .optional(),
  follow_redirects: z.boolean().default(true),
  enable_http2: z.boolean().default(true),
  proxy_url: notYet,
  tls_config: notYet,
  oauth2: notYet,
  bearer_token: notYet,
  bearer_token_file: notYet,
})

const tlsConfig = z.strictObject({
  ca_file: z.string().optional(),
  server_name: z.string().optional(),
  insecure_skip_verify: z.boolean().default(false),
  cert_file: notYet,
  key_file: notYet,
})

const smtp = {
  from: z.string().optional(),
  hello: z.string().optional(),
  smarthost: z.string().optional(),
  auth_username: z.string().optional(),
  auth_password: z.string().optional(),
  auth_password_file: z.string().optional(),
  auth_identity: notYet,
  require_tls: z.boolean().optional(),
  auth_secret: notYet,
}

const shared = { http_config: httpConfig.optional() }

const webhookConfig = z
  .strictObject({
    ...shared,
    send_resolved: z.boolean().default(true),
    url: z.string().optional(),
    url_file: z.string().optional(),
    max_alerts: z.number().int().nonnegative().default(0),
    timeout: duration.default(0),
  })
  .refine(({ url, url_file }) => (url === undefined) !== (url_file === undefined), {
    error: 'expected either url or url_file',
  })

const emailConfig = z.strictObject({
  ...smtp,
  send_resolved: z.boolean().default(false),
  to: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  html: z.string().default('{{ template "email.default.html" . }}'),
  text: z.string().default(''),
  tls_config: tlsConfig.optional(),
})

const telegramConfig = z
  .strictObject({
    ...shared,
    send_resolved: z.boolean().default(true),
    api_url: z.string().optional(),
    bot_token: z.string().optional(),
    bot_token_file: z.string().optional(),
    chat_id: z.coerce.number().int(),
    message_thread_id: z.number().int().optional(),
    message: z.string().default('{{ template "telegram.default.message" . }}'),
    disable_notifications: z.boolean().default(false),
    parse_mode: z.enum(['HTML', 'Markdown', 'MarkdownV2', '']).default('HTML'),
    chat_id_file: notYet,
  })
  .refine(
    ({ bot_token, bot_token_file }) => (bot_token === undefined) !== (bot_token_file === undefined),
    {
      error: 'expected either bot_token or bot_token_file',
    },
  )

const discordConfig = z
  .strictObject({
    ...shared,
    send_resolved: z.boolean().default(true),
    webhook_url: z.string().optional(),
    webhook_url_file: z.string().optional(),
    title: z.string().default('{{ template "discord.default.title" . }}'),
    message: z.string().default('{{ template "discord.default.message" . }}'),
    content: z.string().default(''),
    username: z.string().default(''),
    avatar_url: z.string().default(''),
  })
  .refine(
    ({ webhook_url, webhook_url_file }) =>
      (webhook_url === undefined) !== (webhook_url_file === undefined),
    {
      error: 'expected either webhook_url or webhook_url_file',
    },
  )

/** Ours: Alertmanager has no receiver for LINE, and LINE Notify ended in 2025. */
const lineConfig = z
  .strictObject({
    ...shared,
    send_resolved: z.boolean().default(true),
    api_url: z.string().default('https://api.line.me'),
    channel_access_token: z.string().optional(),
    channel_access_token_file: z.string().optional(),
    /** A user, group or room; left out, all friends of the account are told. */
    to: z.string().optional(),
    message: z.string().default('{{ template "line.default.message" . }}'),
  })
  .refine(
    ({ channel_access_token, channel_access_token_file }) =>
      (channel_access_token === undefined) !== (channel_access_token_file === undefined),
    { error: 'expected either channel_access_token or channel_access_token_file' },
  )

/** One entry of `receivers`. */
export const receiverConfig: z.ZodType<ReceiverConfig> = z.strictObject({
  name: z.string().min(1),
  webhook_configs: z.array(webhookConfig).default([]),
  email_configs: z.array(emailConfig).default([]),
  telegram_configs: z.array(telegramConfig).default([]),
  discord_configs: z.array(discordConfig).default([]),
  line_configs: z.array(lineConfig).default([]),
  slack_configs: notYet,
  pagerduty_configs: notYet,
  opsgenie_configs: notYet,
  pushover_configs: notYet,
  victorops_configs: notYet,
  wechat_configs: notYet,
  sns_configs: notYet,
  webex_configs: notYet,
  msteams_configs: notYet,
  msteamsv2_configs: notYet,
  jira_configs: notYet,
  rocketchat_configs: notYet,
  mattermost_configs: notYet,
  incidentio_configs: notYet,
})

/** `global`. */
export const globalConfig: z.ZodType<GlobalConfig, Record<string, unknown>> = z.strictObject({
  resolve_timeout: duration.default(300_000),
  http_config: httpConfig.optional(),
  smtp_from: z.string().optional(),
  smtp_hello: z.string().default('localhost'),
  smtp_smarthost: z.string().optional(),
  smtp_auth_username: z.string().optional(),
  smtp_auth_password: z.string().optional(),
  smtp_auth_password_file: z.string().optional(),
  smtp_auth_identity: notYet,
  smtp_require_tls: z.boolean().default(true),
  smtp_auth_secret: notYet,
  smtp_tls_config: tlsConfig.optional(),
  telegram_api_url: z.string().default('https://api.telegram.org'),
  slack_api_url: notYet,
  slack_api_url_file: notYet,
  pagerduty_url: notYet,
  opsgenie_api_key: notYet,
  opsgenie_api_url: notYet,
  victorops_api_key: notYet,
  victorops_api_url: notYet,
  wechat_api_url: notYet,
  webex_api_url: notYet,
})
