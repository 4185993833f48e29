@rem "npm start" begins with exec, so that a shell hands its signals over; this is exec where cmd.exe runs it.
@%*
