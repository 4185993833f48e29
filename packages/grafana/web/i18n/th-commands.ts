import type { enCommands } from './en-commands.ts'

/** Thai texts of commands to devices. */
export const thCommands: Record<keyof typeof enCommands, string> = {
  deviceCommands: 'คำสั่ง',
  commandsNone: 'ยังไม่มีคำสั่งถึงอุปกรณ์ใด',
  commandsNoneHint: 'กฎ คน หรือโปรแกรมเป็นผู้สั่ง อุปกรณ์ทำตามแล้วตอบกลับ',
  commandsNoneHere: 'ยังไม่เคยได้รับคำสั่ง',
  commandSend: 'ส่งคำสั่ง',
  commandSendShort: 'ส่ง',
  commandDevice: 'อุปกรณ์',
  commandDeviceHint: 'ชื่อของมัน หรือ id ในเฟรมของมัน',
  commandWhat: 'คำสั่ง',
  commandAction: 'ให้ทำอะไร',
  commandParams: 'พารามิเตอร์',
  commandParamsHint: 'เป็น JSON object เช่น {example}',
  commandExpires: 'ใช้ได้นาน',
  commandExpiresHint: 'อุปกรณ์ที่ไม่อยู่จะได้รับเมื่อกลับมาทันเวลา',
  commandBy: 'โดย',
  commandGiven: 'สั่งเมื่อ',
  commandHeat: 'ทำให้ร้อนถึง 80 °C',
  commandHeatHint: 'จะมีการแจ้งเตือน กฎจะเปิดพัดลมของสถานที่นั้น อุณหภูมิลดลง แล้วการแจ้งเตือนก็จบ',
  commandState_sent: 'ส่งแล้ว',
  commandState_acknowledged: 'ตอบรับแล้ว',
  commandState_expired: 'หมดเวลา',
  commandState_refused: 'ไม่ได้ทำ',
}
