import Commands

HoldfastCommand.start()
