/** English texts of commands to devices. */
export const enCommands = {
  deviceCommands: 'Commands',
  commandsNone: 'No device has been told anything yet',
  commandsNoneHint:
    'A rule, a person or a program gives a command; the device does it and answers.',
  commandsNoneHere: 'It has not been told anything yet.',
  commandSend: 'Send a command',
  commandSendShort: 'Send',
  commandDevice: 'Device',
  commandDeviceHint: 'Its name, or the id in its frames.',
  commandWhat: 'Command',
  commandAction: 'What it is to do',
  commandParams: 'Parameters',
  commandParamsHint: 'A JSON object, such as {example}.',
  commandExpires: 'Of use for',
  commandExpiresHint: 'A device that is away gets it when it comes back in time.',
  commandBy: 'By',
  commandGiven: 'Given',
  commandHeat: 'Heat it to 80 °C',
  commandHeatHint:
    'An alert follows, the rule switches on the fan of its place, the temperature falls, the alert ends.',
  commandState_sent: 'sent',
  commandState_acknowledged: 'acknowledged',
  commandState_expired: 'expired',
  commandState_refused: 'not done',
} as const
