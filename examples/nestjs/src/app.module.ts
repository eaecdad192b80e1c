import { Controller, Get, Injectable, Logger, Module, type OnModuleDestroy } from '@nestjs/common';

const version = '1';

@Injectable()
class Store implements OnModuleDestroy {
  // Open the connection to the database in a real app, and close it here.
  onModuleDestroy(): void {
    Logger.log('the store is closed');
  }
}

@Controller()
class AppController {
  constructor(readonly store: Store) {}

  @Get('health')
  health(): string {
    return 'ok';
  }

  @Get('version')
  version(): string {
    return version;
  }
}

@Module({ controllers: [AppController], providers: [Store] })
export class AppModule {}
