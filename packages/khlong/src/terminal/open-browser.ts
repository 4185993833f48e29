import { spawn } from 'node:child_process'

/** Opens an address in the desktop's browser, where there is a desktop; nothing depends on it. */
export function openBrowser(url: string): void {
  const { platform, env } = process
  const command =
    platform === 'darwin'
      ? ['open', url]
      : platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', url]
        : env.DISPLAY || env.WAYLAND_DISPLAY
          ? ['xdg-open', url]
          : undefined
  if (!command) return
  const child = spawn(command[0]!, command.slice(1), { stdio: 'ignore', detached: true })
  child.on('error', () => {})
  child.unref()
}
